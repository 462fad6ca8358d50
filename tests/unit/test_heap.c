/* Heap: order, stability and removal against a plain list, seeded. */
#include "unit.h"

#include "base/heap.h"

#include <stdlib.h>

#define NODES 500

static uint64_t state_of_random = 42;

static uint64_t random_bits(void)
{
    state_of_random ^= state_of_random << 13;
    state_of_random ^= state_of_random >> 7;
    state_of_random ^= state_of_random << 17;
    return state_of_random;
}

static const struct heap_node *least(struct heap_node *nodes)
{
    const struct heap_node *best = NULL;
    for (size_t i = 0; i < NODES; i++) {
        if (!heap_node_is_queued(&nodes[i]))
            continue;
        if (best == NULL || nodes[i].key < best->key
            || (nodes[i].key == best->key && nodes[i].order < best->order))
            best = &nodes[i];
    }
    return best;
}

static void agrees_with_a_list(void **state)
{
    (void)state;
    static struct heap_node nodes[NODES];
    struct heap heap = {0};
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[random_bits() % NODES];
        if (heap_node_is_queued(node))
            heap_remove(&heap, node);
        else
            assert_int_equal(heap_push(&heap, node, (int64_t)(random_bits() % 50) - 25), 0);
        assert_ptr_equal(heap_top(&heap), least(nodes));
    }
    while (heap.count > 0) {
        const struct heap_node *expected = least(nodes);
        assert_ptr_equal(heap_pop(&heap), expected);
    }
    assert_null(heap_pop(&heap));
    heap_finish(&heap);
    heap_finish(&heap);
}

static void equal_keys_leave_in_order(void **state)
{
    (void)state;
    static struct heap_node nodes[100];
    struct heap heap = {0};
    for (size_t i = 0; i < COUNT(nodes); i++)
        assert_int_equal(heap_push(&heap, &nodes[i], 7), 0);
    for (size_t i = 0; i < COUNT(nodes); i++)
        assert_ptr_equal(heap_pop(&heap), &nodes[i]);
    heap_finish(&heap);
}

static void reserved_pushes_do_not_allocate(void **state)
{
    (void)state;
    struct heap_node nodes[64] = {0};
    struct heap heap = {0};
    assert_int_equal(heap_reserve(&heap, COUNT(nodes)), 0);
    struct heap_node **before = heap.nodes;
    for (size_t i = 0; i < COUNT(nodes); i++)
        assert_int_equal(heap_push(&heap, &nodes[i], (int64_t)(COUNT(nodes) - i)), 0);
    assert_ptr_equal(heap.nodes, before);
    heap_finish(&heap);
    assert_false(heap_node_is_queued(&nodes[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_list),
        cmocka_unit_test(equal_keys_leave_in_order),
        cmocka_unit_test(reserved_pushes_do_not_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * See config_yaml_tree.h. The events of libyaml come one by one; a stack of open containers (at
 * most CONFIG_NESTING_MAX) hooks each new node behind its older sibling.
 *
 * An anchor is known from its node's start and complete at its node's end: an alias to one that is
 * not complete is a cycle. Every container counts how many values it stands for with its aliases
 * followed; the document's count less the nodes that are written is what aliases add, and that is
 * bounded, so that a reader may follow aliases without counting.
 *
 * Failure paths: libyaml's own errors are told with a cure where one is known; the first fault ends
 * the reading.
 */
#include "ports/config_yaml_tree.h"

#include "base/names.h"
#include "ports/config_yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define TREE_NODES_MAX UINT32_C(200000000)

struct anchor {
    uint32_t node;
    bool complete;
    uint64_t size;
};

struct frame {
    uint32_t node;
    uint32_t last; /* the newest child, 0: none yet */
    uint32_t children;
    uint32_t anchor; /* number + 1, 0: none */
    uint64_t size;   /* values inside, aliases followed */
};

struct builder {
    struct tree *tree;
    struct tree_fault *fault;
    yaml_parser_t parser;
    struct frame frames[CONFIG_NESTING_MAX];
    unsigned depth;
    struct names anchor_names;
    struct anchor *anchors;
    uint32_t anchors_size;
    uint64_t written; /* nodes so far */
    bool has_document;
    bool ended;
};

static int fault_at(struct builder *b, yaml_mark_t mark, const char *format, ...) PRINTF_LIKE(3, 4);

static int fault_at(struct builder *b, yaml_mark_t mark, const char *format, ...)
{
    b->fault->line = (uint32_t)mark.line + 1;
    b->fault->column = (uint32_t)mark.column + 1;
    va_list args;
    va_start(args, format);
    (void)errtext_setv(&b->fault->why, 0, format, args);
    va_end(args);
    return TREE_INVALID;
}

/* What a person most likely did, by libyaml's words for what it saw. */
static const char *cure_of(const char *problem, const char *context)
{
    static const struct {
        const char *part;
        const char *cure;
    } rows[] = {
        {"while scanning an alias",
         "a value that begins with * needs quotes, such as cron: \"*/5 * * * *\""},
        {"while scanning an anchor", "a value that begins with & needs quotes"},
        {"cannot start any token",
         "a value that begins with @, % or ` needs quotes, such as cron: \"@daily\", and "
         "indentation is made of blanks, not tabs"},
        {"mapping values are not allowed",
         "put quotes around a text that holds \": \", and check the indentation"},
        {"could not find expected ':'", "every key needs a colon and a blank after it"},
        {"unexpected end of stream", "a quote is not closed: the file may be half written"},
        {"tab character", "indentation is made of blanks, not tabs"},
        {"while parsing a flow", "a bracket or brace is not closed: the file may be half written"},
        {"did not find expected key",
         "keys of one mapping begin in the same column, and a text that holds quotes needs them "
         "around all of it"},
        {"did not find expected '-' indicator", "items of one list begin in the same column"},
        {"expected <document start>", "one document only, without text after its end"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strstr(problem, rows[i].part) != NULL
            || (context != NULL && strstr(context, rows[i].part) != NULL))
            return rows[i].cure;
    return "check the indentation, brackets and quotes from here upwards";
}

static int parser_fault(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    const char *problem = p->problem != NULL ? p->problem : "unreadable";
    return fault_at(b, p->problem_mark, "not YAML: %s%s%s; %s", problem,
                    p->context != NULL ? " " : "", p->context != NULL ? p->context : "",
                    cure_of(problem, p->context));
}

/* A new node behind its older sibling; its index in *ret. Outcomes: 0; TREE_INVALID; -ENOMEM. */
static int add_node(struct builder *b, enum tree_kind kind, yaml_mark_t mark, uint32_t *ret)
{
    struct tree *tree = b->tree;
    if (tree->count == tree->size) {
        uint32_t size = tree->size == 0 ? 64 : tree->size * 2;
        if (size > TREE_NODES_MAX)
            return fault_at(b, mark, "the file holds too many values");
        struct tree_node *nodes = realloc(tree->nodes, size * sizeof *nodes);
        if (nodes == NULL)
            return -ENOMEM;
        tree->nodes = nodes;
        tree->size = size;
    }
    if (tree->count == 0)
        tree->nodes[tree->count++] = (struct tree_node){0}; /* index 0 is none */
    uint32_t index = tree->count++;
    tree->nodes[index] = (struct tree_node){
        .line = (uint32_t)mark.line + 1,
        .column = ((uint32_t)mark.column + 1) & 0xFFFFFFF,
        .kind = (uint32_t)kind & 3,
    };
    b->written++;
    *ret = index;
    if (b->depth == 0)
        return 0;
    struct frame *frame = &b->frames[b->depth - 1];
    bool is_key = tree->nodes[frame->node].kind == TREE_MAPPING && frame->children % 2 == 0;
    if (is_key && (kind == TREE_SEQUENCE || kind == TREE_MAPPING))
        return fault_at(b, mark, "a list or a mapping cannot be a key; write a name");
    if (frame->last == 0)
        tree->nodes[frame->node].first = index;
    else
        tree->nodes[frame->last].next = index;
    frame->last = index;
    frame->children++;
    return 0;
}

/* Adds `size` values to the open container. Outcomes: 0; TREE_INVALID. */
static int count_values(struct builder *b, yaml_mark_t mark, uint64_t size)
{
    if (b->depth == 0)
        return 0;
    struct frame *frame = &b->frames[b->depth - 1];
    frame->size += size; /* cannot overflow: each is bounded below */
    if (frame->size > b->written + CONFIG_ALIAS_NODES_MAX)
        return fault_at(b, mark, "aliases stand for more than %d values; name fewer aliases",
                        CONFIG_ALIAS_NODES_MAX);
    return 0;
}

/* Remembers the node's anchor; the newest of a name counts. *ret is number + 1, 0 without one. */
static int add_anchor(struct builder *b, const yaml_char_t *anchor, uint32_t node, uint32_t *ret)
{
    *ret = 0;
    if (anchor == NULL)
        return 0;
    const char *name = (const char *)anchor;
    size_t length = strlen(name);
    uint32_t number;
    if (names_find(&b->anchor_names, name, length, &number) != 0) {
        const char *copy = arena_copy(&b->tree->texts, name, length);
        if (copy == NULL || names_add(&b->anchor_names, copy, length, &number) != 0)
            return -ENOMEM;
    }
    if (number >= b->anchors_size) {
        uint32_t size = b->anchors_size == 0 ? 8 : b->anchors_size * 2;
        struct anchor *anchors = realloc(b->anchors, size * sizeof *anchors);
        if (anchors == NULL)
            return -ENOMEM;
        b->anchors = anchors;
        b->anchors_size = size;
    }
    b->anchors[number] = (struct anchor){.node = node};
    *ret = number + 1;
    return 0;
}

static void complete_anchor(struct builder *b, uint32_t anchor, uint32_t node, uint64_t size)
{
    if (anchor == 0 || b->anchors[anchor - 1].node != node)
        return;
    b->anchors[anchor - 1].complete = true;
    b->anchors[anchor - 1].size = size;
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    uint32_t number;
    if (names_find(&b->anchor_names, name, strlen(name), &number) != 0)
        return fault_at(b, event->start_mark,
                        "the alias *%.40s has no anchor; define &%.40s before", name, name);
    if (!b->anchors[number].complete)
        return fault_at(b, event->start_mark,
                        "the alias *%.40s stands inside what it stands for; remove the cycle",
                        name);
    uint32_t node = 0;
    int outcome = add_node(b, TREE_ALIAS, event->start_mark, &node);
    if (outcome != 0)
        return outcome;
    b->tree->nodes[node].first = b->anchors[number].node;
    return count_values(b, event->start_mark, b->anchors[number].size);
}

static int refuse_tag(struct builder *b, yaml_mark_t mark, const yaml_char_t *tag)
{
    if (tag == NULL)
        return 0;
    return fault_at(b, mark, "the tag %.40s is not allowed; remove it (a text is made by quotes)",
                    (const char *)tag);
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
    int outcome = refuse_tag(b, event->start_mark, event->data.scalar.tag);
    uint32_t node = 0;
    uint32_t anchor = 0;
    if (outcome == 0)
        outcome = add_node(b, TREE_SCALAR, event->start_mark, &node);
    if (outcome == 0)
        outcome = add_anchor(b, event->data.scalar.anchor, node, &anchor);
    if (outcome != 0)
        return outcome;
    size_t length = event->data.scalar.length;
    const char *text = arena_copy(&b->tree->texts, (const char *)event->data.scalar.value, length);
    if (text == NULL)
        return -ENOMEM;
    b->tree->nodes[node].text = text;
    b->tree->nodes[node].count = (uint32_t)length;
    b->tree->nodes[node].plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    complete_anchor(b, anchor, node, 1);
    return count_values(b, event->start_mark, 1);
}

static int on_open(struct builder *b, enum tree_kind kind, yaml_mark_t mark,
                   const yaml_char_t *anchor_name, const yaml_char_t *tag)
{
    if (b->depth == CONFIG_NESTING_MAX)
        return fault_at(b, mark, "nested more than %d deep; write it flatter", CONFIG_NESTING_MAX);
    uint32_t node = 0;
    uint32_t anchor = 0;
    int outcome = refuse_tag(b, mark, tag);
    if (outcome == 0)
        outcome = add_node(b, kind, mark, &node);
    if (outcome == 0)
        outcome = add_anchor(b, anchor_name, node, &anchor);
    if (outcome == 0)
        b->frames[b->depth++] = (struct frame){.node = node, .anchor = anchor, .size = 1};
    return outcome;
}

static int on_close(struct builder *b, yaml_mark_t mark)
{
    struct frame frame = b->frames[--b->depth];
    struct tree_node *node = &b->tree->nodes[frame.node];
    node->count = node->kind == TREE_MAPPING ? frame.children / 2 : frame.children;
    complete_anchor(b, frame.anchor, frame.node, frame.size);
    return count_values(b, mark, frame.size);
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->has_document)
            return fault_at(b, event->start_mark,
                            "a second document begins; one document only, remove the ---");
        b->has_document = true;
        return 0;
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, TREE_SEQUENCE, event->start_mark, event->data.sequence_start.anchor,
                       event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, TREE_MAPPING, event->start_mark, event->data.mapping_start.anchor,
                       event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(b, event->start_mark);
    case YAML_STREAM_END_EVENT:
        b->ended = true;
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

static int read_events(struct builder *b)
{
    while (!b->ended) {
        yaml_event_t event;
        if (yaml_parser_parse(&b->parser, &event) == 0)
            return parser_fault(b);
        int outcome = on_event(b, &event);
        yaml_event_delete(&event);
        if (outcome != 0)
            return outcome;
    }
    if (b->tree->count > TREE_ROOT)
        return 0;
    return fault_at(b, (yaml_mark_t){0},
                    "the file is empty; it needs at least region and schedules");
}

int tree_parse(struct tree *tree, const char *bytes, size_t length, struct tree_fault *fault)
{
    struct builder *b = calloc(1, sizeof *b);
    if (b == NULL)
        return -ENOMEM;
    b->tree = tree;
    b->fault = fault;
    if (yaml_parser_initialize(&b->parser) == 0) {
        free(b);
        return -ENOMEM;
    }
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)bytes, length);
    int outcome = read_events(b);
    yaml_parser_delete(&b->parser);
    names_finish(&b->anchor_names);
    free(b->anchors);
    free(b);
    return outcome;
}

void tree_finish(struct tree *tree)
{
    free(tree->nodes);
    arena_finish(&tree->texts);
    *tree = (struct tree){0};
}

/*
 * See blocks.h. A table with open addressing, behind a lock of its own: nothing here may call the
 * allocator. The program's code is the first object that the loader tells of.
 */
#include "blocks.h"

#include <inttypes.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#define PLACES 65536U /* a power of two; more live blocks are not counted */
#define LINE_MAX_LENGTH 80

struct block {
    uintptr_t at; /* 0: free */
    size_t size;
    uintptr_t caller;
};

static struct block places[PLACES];
static unsigned count;
static atomic_flag lock = ATOMIC_FLAG_INIT;
static uintptr_t program;
static uintptr_t program_first;
static uintptr_t program_end;

static int look_at(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
            continue;
        program = info->dlpi_addr;
        program_first = info->dlpi_addr + part->p_vaddr;
        program_end = program_first + part->p_memsz;
    }
    return 1; /* the others are libraries */
}

bool blocks_is_program(const void *code)
{
    if (program_end == 0)
        (void)dl_iterate_phdr(look_at, NULL);
    return (uintptr_t)code >= program_first && (uintptr_t)code < program_end;
}

static unsigned home_of(uintptr_t at)
{
    return (unsigned)((at >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 40) % PLACES;
}

static void take_lock(void)
{
    while (atomic_flag_test_and_set(&lock))
        ;
}

void blocks_note(const void *block, size_t size, const void *caller)
{
    if (block == NULL || !blocks_is_program(caller))
        return;
    take_lock();
    if (count < PLACES / 2) {
        unsigned i = home_of((uintptr_t)block);
        while (places[i].at != 0)
            i = (i + 1) % PLACES;
        places[i] = (struct block){(uintptr_t)block, size, (uintptr_t)caller};
        count++;
    }
    atomic_flag_clear(&lock);
}

/* What stands behind a free place in one row with it may have to move there. */
static void close_gap(unsigned gap)
{
    for (unsigned i = (gap + 1) % PLACES; places[i].at != 0; i = (i + 1) % PLACES) {
        unsigned home = home_of(places[i].at);
        if ((i - home) % PLACES < (i - gap) % PLACES)
            continue;
        places[gap] = places[i];
        gap = i;
    }
    places[gap].at = 0;
}

void blocks_forget(const void *block)
{
    if (block == NULL)
        return;
    take_lock();
    unsigned i = home_of((uintptr_t)block);
    while (places[i].at != 0 && places[i].at != (uintptr_t)block)
        i = (i + 1) % PLACES;
    if (places[i].at != 0) {
        close_gap(i);
        count--;
    }
    atomic_flag_clear(&lock);
}

void blocks_tell(void (*line)(const char *text))
{
    for (unsigned i = 0; i < PLACES; i++) {
        if (places[i].at == 0)
            continue;
        char text[LINE_MAX_LENGTH];
        (void)snprintf(text, sizeof text, "%zu bytes of 0x%" PRIxPTR "\n", places[i].size,
                       places[i].caller - program);
        line(text);
    }
}

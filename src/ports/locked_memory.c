/*
 * See locked_memory.h. Pages of their own, so that no neighbour's page is locked or unlocked with
 * them. A limit that forbids locking (RLIMIT_MEMLOCK) does not forbid the work.
 */
#include "ports/locked_memory.h"

#include "base/secret.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return size > SIZE_MAX - page ? 0 : (size + page - 1) / page * page;
}

static void *take(size_t size, bool *ret_locked)
{
    size = whole_pages(size);
    if (size == 0)
        return NULL;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return NULL;
    *ret_locked = mlock(bytes, size) == 0;
    (void)madvise(bytes, size, MADV_DONTDUMP);
    return bytes;
}

void *locked_take(size_t size)
{
    bool locked;
    return take(size, &locked);
}

void locked_give(void *bytes, size_t size)
{
    if (bytes == NULL)
        return;
    secret_wipe(bytes, size);
    (void)munmap(bytes, whole_pages(size)); /* unlocks too */
}

bool locked_memory_held(size_t size)
{
    bool locked = false;
    void *bytes = take(size, &locked);
    locked_give(bytes, size);
    return locked;
}

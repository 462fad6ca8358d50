/* See fault_memory.h. */
#include "fault_memory.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>

static sqlite3_mem_methods real;
static atomic_uint calls;
static atomic_uint armed_nth;
static atomic_bool armed_stays;

static bool is_refused(void)
{
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    unsigned nth = atomic_load(&armed_nth);
    return nth > 0 && (call == nth || (call > nth && atomic_load(&armed_stays)));
}

static void *allocate(int size)
{
    return is_refused() ? NULL : real.xMalloc(size);
}

static void *resize(void *at, int size)
{
    return is_refused() ? NULL : real.xRealloc(at, size);
}

void fault_memory_install(void)
{
    int code = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    assert(code == SQLITE_OK);
    sqlite3_mem_methods ours = real;
    ours.xMalloc = allocate;
    ours.xRealloc = resize;
    code = sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    assert(code == SQLITE_OK);
    code = sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* every allocation comes by here */
    assert(code == SQLITE_OK);
}

void fault_memory_arm(unsigned nth, bool stays)
{
    atomic_store(&armed_nth, 0);
    atomic_store(&calls, 0);
    atomic_store(&armed_stays, stays);
    atomic_store(&armed_nth, nth);
}

void fault_memory_disarm(void)
{
    fault_memory_arm(0, false);
}

unsigned fault_memory_calls(void)
{
    return atomic_load(&calls);
}

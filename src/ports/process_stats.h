/*
 * What this process uses, as its own /proc tells.
 */
#pragma once

#include <stdint.h>

struct process_stats {
    int64_t cpu_us;         /* of all threads, in user and system mode */
    int64_t resident_bytes; /* these four are -1 where they cannot be read */
    int64_t virtual_bytes;
    int64_t open_fds;
    int64_t max_fds;
};

/* A few system calls; never waits. */
struct process_stats process_stats_read(void);

/* See process_stats.h. */
#include "ports/process_stats.h"

#include "base/instant.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return -1;
    int64_t count = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            count++;
    (void)closedir(directory);
    return count - 1; /* not the one that it was read by */
}

static void read_memory(struct process_stats *stats)
{
    char line[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        (void)close(fd);
    if (length <= 0)
        return;
    line[length] = '\0';
    char *end;
    long long pages = strtoll(line, &end, 10); /* "SIZE RESIDENT ...", in pages */
    if (*end != ' ')
        return;
    stats->virtual_bytes = pages * sysconf(_SC_PAGESIZE);
    stats->resident_bytes = strtoll(end, NULL, 10) * sysconf(_SC_PAGESIZE);
}

struct process_stats process_stats_read(void)
{
    struct process_stats stats = {
        .resident_bytes = -1, .virtual_bytes = -1, .open_fds = count_fds(), .max_fds = -1};
    struct rusage usage = {0};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        stats.cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_SECOND
                       + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= INT64_MAX)
        stats.max_fds = (int64_t)limit.rlim_cur;
    read_memory(&stats);
    return stats;
}

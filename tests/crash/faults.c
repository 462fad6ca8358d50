/*
 * To be preloaded into the real crsbackupd: counts its calls of the C library and of others, and
 * has one of them meet its fate. Not for a program with a sanitizer's own allocator.
 *
 *   CRASH_FAULT=KIND:WHAT:N[:COUNT]
 *     KIND   kill   SIGKILL before the N-th call
 *            late   the same after LATE_MS in which the other threads go on
 *            torn   half of what the call would put into a file or a stream, then SIGKILL; for
 *                   other calls like kill
 *            fail   the N-th call, and COUNT - 1 after it, fails as the function does
 *            count  nothing happens: how many calls there are
 *            list   nothing happens: each call is told
 *     WHAT   a function's name, or a group: "writes", what changes a file or a socket; "memory",
 *            malloc and its kind
 *   CRASH_ERRNO=EROFS  what pwrite() fails with, instead of ENOSPC
 *   CRASH_TRACE=FILE   what happened, a line: "N NAME"
 *   CRASH_BLOCKS=FILE  at a regular end, what the program did not give back (blocks.h)
 *
 * Calls are counted over all threads from the start of the process, libraries included. A call
 * that is counted takes no lock, so the fault comes while other threads are wherever they are.
 */
#undef _FILE_OFFSET_BITS /* open and open64 are wrapped under their own names */

#include "blocks.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum kind {
    KIND_NONE,
    KIND_KILL,
    KIND_TORN,
    KIND_FAIL,
    KIND_COUNT,
    KIND_LIST,
    KIND_LATE,
};

#define LATE_MS 300

#define NAME_LENGTH_MAX 40

static enum kind kind;
static char wanted[NAME_LENGTH_MAX];
static unsigned first_nth;
static unsigned last_nth;
static const char *trace_file;
static const char *blocks_file;
static atomic_uint calls;
static atomic_bool told;
static bool read_only;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *at, size_t size);
extern void __libc_free(void *at);

/* By system calls of our own: what is wrapped here must not be counted. */
static void add_line(const char *path, const char *line)
{
    long file =
        syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    (void)syscall(SYS_write, file, line, strlen(line));
    (void)syscall(SYS_close, file);
}

static void tell(unsigned nth, const char *name)
{
    char line[NAME_LENGTH_MAX + 32];
    if (trace_file == NULL)
        return;
    (void)snprintf(line, sizeof line, "%u %s\n", nth, name);
    add_line(trace_file, line);
}

static void tell_block(const char *line)
{
    add_line(blocks_file, line);
}

static enum kind kind_of(const char *text, size_t length)
{
    static const char *const names[] = {"", "kill", "torn", "fail", "count", "list", "late"};
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0)
            return (enum kind)i;
    return KIND_NONE;
}

__attribute__((constructor)) static void read_orders(void)
{
    const char *order = getenv("CRASH_FAULT");
    if (order == NULL)
        return;
    const char *what = strchr(order, ':');
    const char *nth = what == NULL ? NULL : strchr(what + 1, ':');
    if (nth == NULL || (size_t)(nth - what) > sizeof wanted)
        abort();
    memcpy(wanted, what + 1, (size_t)(nth - what - 1));
    const char *count = strchr(nth + 1, ':');
    first_nth = (unsigned)strtoul(nth + 1, NULL, 10);
    last_nth = first_nth + (count == NULL ? 1 : (unsigned)strtoul(count + 1, NULL, 10)) - 1;
    trace_file = getenv("CRASH_TRACE");
    blocks_file = getenv("CRASH_BLOCKS");
    read_only = getenv("CRASH_ERRNO") != NULL && strcmp(getenv("CRASH_ERRNO"), "EROFS") == 0;
    kind = kind_of(order, (size_t)(what - order));
    if (kind == KIND_NONE)
        abort();
}

__attribute__((destructor)) static void tell_end(void)
{
    if (kind == KIND_COUNT)
        tell(atomic_load(&calls), "calls");
    if (blocks_file != NULL)
        blocks_tell(tell_block);
}

static void die(void)
{
    for (;;)
        (void)syscall(SYS_kill, (long)getpid(), (long)SIGKILL);
}

/* Shall this call fail? Or does it end here. */
static bool meets(const char *group, const char *name, bool *ret_torn)
{
    if (kind == KIND_NONE || (strcmp(wanted, group) != 0 && strcmp(wanted, name) != 0))
        return false;
    unsigned nth = atomic_fetch_add(&calls, 1) + 1;
    if (kind == KIND_LIST)
        tell(nth, name);
    if (kind == KIND_COUNT || kind == KIND_LIST || nth < first_nth || nth > last_nth)
        return false;
    if (!atomic_exchange(&told, true))
        tell(nth, name);
    if (kind == KIND_TORN && ret_torn != NULL) {
        *ret_torn = true;
        return false;
    }
    if (kind == KIND_LATE)
        (void)syscall(SYS_nanosleep, &(struct timespec){.tv_nsec = LATE_MS * 1000000L}, NULL);
    if (kind != KIND_FAIL)
        die();
    return true;
}

#define REAL(name) ((__typeof__(name) *)real(#name))

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

/* ---- what changes a file or a socket ---- */

#define DISK "writes"

/* libuv wakes its loop by a counter or a pipe, whose writes do not fail; ours is standard error's.
 */
static bool is_wake(int file)
{
    struct stat status;
    return file > 2 && fstat(file, &status) == 0
           && (S_ISFIFO(status.st_mode) || (status.st_mode & S_IFMT) == 0);
}

ssize_t write(int file, const void *bytes, size_t size)
{
    if (!is_wake(file) && meets(DISK, "write", NULL)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, file, bytes, size);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at)
{
    bool torn = false;
    if (meets(DISK, "pwrite", &torn)) {
        errno = read_only ? EROFS : ENOSPC;
        return -1;
    }
    ssize_t n = syscall(SYS_pwrite64, file, bytes, torn ? size / 2 : size, at);
    if (torn)
        die();
    return n;
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t at)
{
    return pwrite64(file, bytes, size, at);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    if (meets(DISK, "writev", NULL)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_writev, file, parts, (long)count);
}

ssize_t send(int s, const void *bytes, size_t size, int flags)
{
    bool torn = false;
    if (meets(DISK, "send", &torn)) {
        errno = ECONNRESET;
        return -1;
    }
    ssize_t n = syscall(SYS_sendto, s, bytes, torn ? size / 2 : size, flags, NULL, 0);
    if (torn)
        die();
    return n;
}

ssize_t sendto(int s, const void *bytes, size_t size, int flags, const struct sockaddr *to,
               socklen_t length)
{
    if (meets(DISK, "sendto", NULL)) {
        errno = ENOBUFS;
        return -1;
    }
    return syscall(SYS_sendto, s, bytes, size, flags, to, length);
}

ssize_t sendmsg(int s, const struct msghdr *message, int flags)
{
    if (meets(DISK, "sendmsg", NULL)) {
        errno = ENOBUFS;
        return -1;
    }
    return syscall(SYS_sendmsg, s, message, flags);
}

#define SIMPLE(group, failure, number, name, parameters, ...) \
    int name parameters                                       \
    {                                                         \
        if (meets(group, #name, NULL)) {                      \
            errno = failure;                                  \
            return -1;                                        \
        }                                                     \
        return (int)syscall(number, __VA_ARGS__);             \
    }

SIMPLE(DISK, EIO, SYS_fsync, fsync, (int file), file)
SIMPLE(DISK, EIO, SYS_fdatasync, fdatasync, (int file), file)
SIMPLE(DISK, ENOSPC, SYS_ftruncate, ftruncate64, (int file, off64_t size), file, size)
SIMPLE(DISK, EIO, SYS_unlink, unlink, (const char *path), path)
SIMPLE(DISK, ENOSPC, SYS_mkdir, mkdir, (const char *path, mode_t mode), path, mode)

int ftruncate(int file, off_t size)
{
    return ftruncate64(file, size);
}

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    if (meets((flags & O_CREAT) != 0 ? DISK : "opens", "open", NULL)) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

#define OPENS(name, directory, ...)                                      \
    int name(__VA_ARGS__, const char *path, int flags, ...)              \
    {                                                                    \
        va_list list;                                                    \
        va_start(list, flags);                                           \
        mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0; \
        va_end(list);                                                    \
        return open_at(directory, path, flags, mode);                    \
    }

OPENS(openat, directory, int directory)
OPENS(openat64, directory, int directory)

int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_at(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_at(AT_FDCWD, path, flags, mode);
}

/* ---- what the kernel gives ---- */

#define KERNEL "kernel"

SIMPLE(KERNEL, EMFILE, SYS_socket, socket, (int domain, int type, int protocol), domain, type,
       protocol)
SIMPLE(KERNEL, EMFILE, SYS_timerfd_create, timerfd_create, (int clock, int flags), clock, flags)
SIMPLE(KERNEL, EMFILE, SYS_eventfd2, eventfd, (unsigned count, int flags), count, flags)
SIMPLE(KERNEL, EMFILE, SYS_epoll_create1, epoll_create1, (int flags), flags)
SIMPLE(KERNEL, ENOMEM, SYS_epoll_ctl, epoll_ctl,
       (int loop, int what, int file, struct epoll_event *event), loop, what, file, event)

/* ---- memory ---- */

#define MEMORY "memory"
#define CALLER __builtin_return_address(0)

static void *noted(void *block, size_t size, const void *caller)
{
    if (blocks_file != NULL)
        blocks_note(block, size, caller);
    return block;
}

void *malloc(size_t size)
{
    if (meets(MEMORY, "malloc", NULL)) {
        errno = ENOMEM;
        return NULL;
    }
    return noted(__libc_malloc(size), size, CALLER);
}

void *calloc(size_t count, size_t size)
{
    if (meets(MEMORY, "calloc", NULL)) {
        errno = ENOMEM;
        return NULL;
    }
    return noted(__libc_calloc(count, size), count * size, CALLER);
}

static void *resize(void *at, size_t size, const void *caller)
{
    if (meets(MEMORY, "realloc", NULL)) {
        errno = ENOMEM;
        return NULL;
    }
    if (blocks_file != NULL)
        blocks_forget(at); /* another thread may get the same block at once */
    void *fresh = __libc_realloc(at, size);
    (void)noted(fresh == NULL && size > 0 ? at : fresh, size, caller);
    return fresh;
}

void *realloc(void *at, size_t size)
{
    return resize(at, size, CALLER);
}

void *reallocarray(void *at, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return resize(at, bytes, CALLER);
}

char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    if (meets(MEMORY, "strdup", NULL)) {
        errno = ENOMEM;
        return NULL;
    }
    char *copy = noted(__libc_malloc(size), size, CALLER);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

void free(void *at)
{
    if (blocks_file != NULL)
        blocks_forget(at);
    __libc_free(at);
}

/* ---- libuv: what can fail, where the program calls it; the library ends the process itself ----
 */

#define UV(name, parameters, ...)                                  \
    int name parameters                                            \
    {                                                              \
        if (blocks_is_program(CALLER) && meets("uv", #name, NULL)) \
            return UV_ENOMEM;                                      \
        return REAL(name)(__VA_ARGS__);                            \
    }

UV(uv_loop_init, (uv_loop_t * loop), loop)
UV(uv_poll_init, (uv_loop_t * loop, uv_poll_t *poll, int file), loop, poll, file)
UV(uv_poll_init_socket, (uv_loop_t * loop, uv_poll_t *poll, uv_os_sock_t s), loop, poll, s)
UV(uv_signal_init, (uv_loop_t * loop, uv_signal_t *signal), loop, signal)
UV(uv_signal_start, (uv_signal_t * signal, uv_signal_cb call, int number), signal, call, number)
UV(uv_async_init, (uv_loop_t * loop, uv_async_t *async, uv_async_cb call), loop, async, call)
UV(uv_pipe_init, (uv_loop_t * loop, uv_pipe_t *pipe, int ipc), loop, pipe, ipc)
UV(uv_pipe_bind, (uv_pipe_t * pipe, const char *name), pipe, name)
UV(uv_listen, (uv_stream_t * stream, int backlog, uv_connection_cb call), stream, backlog, call)
UV(uv_mutex_init, (uv_mutex_t * mutex), mutex)
UV(uv_cond_init, (uv_cond_t * cond), cond)
UV(uv_thread_create_ex,
   (uv_thread_t * thread, const uv_thread_options_t *options, uv_thread_cb call, void *context),
   thread, options, call, context)

/* ---- libcurl ---- */

#define CURL_NAMED(type, failure, name, parameters, ...)             \
    type name parameters                                             \
    {                                                                \
        if (blocks_is_program(CALLER) && meets("curl", #name, NULL)) \
            return failure;                                          \
        return REAL(name)(__VA_ARGS__);                              \
    }

CURL_NAMED(CURLcode, CURLE_FAILED_INIT, curl_global_init_mem,
           (long flags, curl_malloc_callback get, curl_free_callback give,
            curl_realloc_callback resize_, curl_strdup_callback copy,
            curl_calloc_callback get_zeroed),
           flags, get, give, resize_, copy, get_zeroed)
CURL_NAMED(CURL *, NULL, curl_easy_init, (void), )
CURL_NAMED(CURLM *, NULL, curl_multi_init, (void), )
CURL_NAMED(CURLMcode, CURLM_OUT_OF_MEMORY, curl_multi_add_handle, (CURLM * multi, CURL *easy),
           multi, easy)
CURL_NAMED(CURLMcode, CURLM_OUT_OF_MEMORY, curl_multi_socket_action,
           (CURLM * multi, curl_socket_t s, int mask, int *running), multi, s, mask, running)
CURL_NAMED(CURLMcode, CURLM_OUT_OF_MEMORY, curl_multi_assign,
           (CURLM * multi, curl_socket_t s, void *context), multi, s, context)
CURL_NAMED(struct curl_slist *, NULL, curl_slist_append,
           (struct curl_slist * list, const char *text), list, text)

#undef curl_easy_setopt
#undef curl_multi_setopt
#undef curl_easy_getinfo

/* One argument of a machine word each, whatever its type. */
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list list;
    va_start(list, option);
    void *value = va_arg(list, void *);
    va_end(list);
    if (meets("curl", "curl_easy_setopt", NULL))
        return CURLE_OUT_OF_MEMORY;
    return REAL(curl_easy_setopt)(easy, option, value);
}

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    va_list list;
    va_start(list, option);
    void *value = va_arg(list, void *);
    va_end(list);
    if (meets("curl", "curl_multi_setopt", NULL))
        return CURLM_OUT_OF_MEMORY;
    return REAL(curl_multi_setopt)(multi, option, value);
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list list;
    va_start(list, info);
    void *value = va_arg(list, void *);
    va_end(list);
    /* What the program gave the handle itself it gets back. */
    if (info != CURLINFO_PRIVATE && meets("curl", "curl_easy_getinfo", NULL))
        return CURLE_OUT_OF_MEMORY;
    return REAL(curl_easy_getinfo)(easy, info, value);
}

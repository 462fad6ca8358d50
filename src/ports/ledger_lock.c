/*
 * See ledger_lock.h. Everything is done relative to one descriptor of the directory, so that what
 * was looked at is what is used. Closing a descriptor of a database drops the locks that the same
 * process holds on it through another, so the file is made and closed before SQLite opens it.
 */
#include "ports/ledger_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PID_TEXT_MAX 32

static void look_at_directory(int directory, const char *name, struct errtext *warning)
{
    struct stat status;
    if (fstat(directory, &status) != 0)
        return;
    if ((status.st_mode & S_IWOTH) != 0)
        (void)errtext_set(warning, 0, "%s can be written by everybody; make it 0700", name);
    else if (status.st_uid != geteuid() && status.st_uid != 0)
        (void)errtext_set(warning, 0, "%s belongs to user %lu; it should be our own or root's",
                          name, (unsigned long)status.st_uid);
}

/* The process that the lock's file names, 0 where it names none. */
static long read_holder(int lock)
{
    char bytes[PID_TEXT_MAX];
    ssize_t length = pread(lock, bytes, sizeof bytes - 1, 0);
    if (length <= 0)
        return 0;
    bytes[length] = '\0';
    long pid = strtol(bytes, NULL, 10);
    return pid > 0 ? pid : 0;
}

static int say_held(int lock, const char *state_dir, struct errtext *err)
{
    long holder = read_holder(lock);
    if (holder == 0)
        return errtext_set(err, -EBUSY, "%s is in use by another crsbackupd", state_dir);
    return errtext_set(err, -EBUSY, "%s is in use by another crsbackupd (process %ld)", state_dir,
                       holder);
}

static int take(int directory, const char *state_dir, int *ret, struct errtext *err)
{
    int lock =
        openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (lock < 0) {
        int r = -errno;
        return errtext_set(err, r, "%s/lock cannot be opened for writing: %s", state_dir,
                           strerror(-r));
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        int r = errno == EWOULDBLOCK ? say_held(lock, state_dir, err)
                                     : errtext_set(err, -errno, "%s/lock cannot be locked: %s",
                                                   state_dir, strerror(errno));
        (void)close(lock);
        return r;
    }
    char bytes[PID_TEXT_MAX];
    int length = snprintf(bytes, sizeof bytes, "%ld\n", (long)getpid());
    /* For people only: without it (a full disk) a second daemon is refused without a number. */
    if (ftruncate(lock, 0) == 0 && length > 0)
        (void)!pwrite(lock, bytes, (size_t)length, 0);
    *ret = lock;
    return 0;
}

static int make_file(int directory, const char *state_dir, const char *name,
                     struct errtext *warning, struct errtext *err)
{
    int file = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0) {
        (void)close(file);
        (void)fsync(directory); /* else the commits that follow have no name after a power cut */
        return 0;
    }
    int r = -errno;
    struct stat status;
    if (r != -EEXIST || fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errtext_set(err, r, "%s/%s cannot be made: %s", state_dir, name, strerror(-r));
    if (!S_ISREG(status.st_mode))
        return errtext_set(err, -EINVAL, "%s/%s is not a plain file; move it away", state_dir,
                           name);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        (void)errtext_set(warning, 0, "%s/%s can be written by others; make it 0600", state_dir,
                          name);
    return 0;
}

int ledger_lock_take(const char *state_dir, const char *file, int *ret, struct errtext *warning,
                     struct errtext *err)
{
    warning->text[0] = '\0';
    int directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        int r = -errno;
        return errtext_set(err, r, "the state directory %s cannot be used: %s", state_dir,
                           strerror(-r));
    }
    look_at_directory(directory, state_dir, warning);
    int lock = -1;
    int r = take(directory, state_dir, &lock, err);
    if (r == 0)
        r = make_file(directory, state_dir, file, warning, err);
    (void)close(directory);
    if (r < 0) {
        if (lock >= 0)
            (void)close(lock);
        return r;
    }
    *ret = lock;
    return 0;
}

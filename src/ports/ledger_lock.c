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

static int say_held(long holder, const char *state_dir, struct errtext *err)
{
    if (holder == 0)
        return errtext_set(err, -EBUSY, "%s is in use by another crsbackupd", state_dir);
    return errtext_set(err, -EBUSY, "%s is in use by another crsbackupd (process %ld)", state_dir,
                       holder);
}

/* The file may have been removed, and a new one names nobody. */
static int say_directory_held(int directory, const char *state_dir, struct errtext *err)
{
    int file = openat(directory, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0)
        return errtext_set(err, -EBUSY,
                           "%s is in use by another crsbackupd, although its file \"lock\" was "
                           "removed; end that one first",
                           state_dir);
    int r = say_held(read_holder(file), state_dir, err);
    (void)close(file);
    return r;
}

/* Outcomes: 0, locked or not to be locked (then with a warning); -EBUSY. */
static int lock_directory(int directory, const char *state_dir, struct errtext *warning,
                          struct errtext *err)
{
    if (flock(directory, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return say_directory_held(directory, state_dir, err);
    if (warning->text[0] == '\0')
        (void)errtext_set(warning, 0,
                          "%s itself cannot be locked (%s): only its file \"lock\" keeps a second "
                          "crsbackupd out, and must not be removed",
                          state_dir, strerror(errno));
    return 0;
}

static int lock_file(int directory, const char *state_dir, int *ret, struct errtext *err)
{
    int lock =
        openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (lock < 0) {
        int r = -errno;
        return errtext_set(err, r, "%s/lock cannot be opened for writing: %s", state_dir,
                           strerror(-r));
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        int r = errno == EWOULDBLOCK ? say_held(read_holder(lock), state_dir, err)
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

int ledger_lock_take(const char *state_dir, const char *file, struct ledger_lock *ret,
                     struct errtext *warning, struct errtext *err)
{
    warning->text[0] = '\0';
    struct ledger_lock lock = {open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1};
    if (lock.directory < 0) {
        int r = -errno;
        return errtext_set(err, r, "the state directory %s cannot be used: %s", state_dir,
                           strerror(-r));
    }
    look_at_directory(lock.directory, state_dir, warning);
    int r = lock_directory(lock.directory, state_dir, warning, err);
    if (r == 0)
        r = lock_file(lock.directory, state_dir, &lock.file, err);
    if (r == 0)
        r = make_file(lock.directory, state_dir, file, warning, err);
    if (r < 0) {
        ledger_lock_release(&lock);
        return r;
    }
    *ret = lock;
    return 0;
}

void ledger_lock_release(struct ledger_lock *lock)
{
    if (lock->file >= 0)
        (void)close(lock->file);
    if (lock->directory >= 0)
        (void)close(lock->directory);
    *lock = (struct ledger_lock){-1, -1};
}

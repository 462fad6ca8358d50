/*
 * The state directory: is it fit, and is it ours alone?
 *
 * The lock is flock() twice, on the directory itself and on the file "lock" in it. It ends with the
 * process that holds it, however that ends. The directory's holds where somebody removed the file,
 * the file's where the file system cannot lock a directory (NFS). The file stays: its content, the
 * holder's process id, is for people.
 */
#pragma once

#include "base/result.h"

/* Two descriptors; -1: none. */
struct ledger_lock {
    int directory;
    int file;
};

/*
 * Looks at the directory, takes the lock and makes `file` in it (empty, mode 0600) where there is
 * none. *ret holds the lock until it is released; `warning` gets a text where the directory or the
 * file is open to others, or the directory itself cannot be locked, else "".
 * Outcomes: 0; -EBUSY, another process holds it; -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC and
 * the like; -EINVAL, `file` is there and is no plain file. All with a text.
 */
int ledger_lock_take(const char *state_dir, const char *file, struct ledger_lock *ret,
                     struct errtext *warning, struct errtext *err) MUST_CHECK;
void ledger_lock_release(struct ledger_lock *lock);

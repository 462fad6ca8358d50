/*
 * The state directory: is it fit, and is it ours alone?
 *
 * The lock is flock() on the file "lock" in the directory. It ends with the process that holds it,
 * however that ends, and the file stays: its content, the holder's process id, is for people.
 */
#pragma once

#include "base/result.h"

/*
 * Looks at the directory, takes the lock and makes `file` in it (empty, mode 0600) where there is
 * none. *ret is a descriptor that holds the lock until it is closed; `warning` gets a text where
 * the directory or the file is open to others, else "".
 * Outcomes: 0; -EBUSY, another process holds it; -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC and
 * the like; -EINVAL, `file` is there and is no plain file. All with a text.
 */
int ledger_lock_take(const char *state_dir, const char *file, int *ret, struct errtext *warning,
                     struct errtext *err) MUST_CHECK;

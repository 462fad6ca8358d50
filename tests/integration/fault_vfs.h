/*
 * SQLite's file system with faults: stands before the default one and counts the calls that can
 * fail. One of them in turn fails, once or from then on; or a sync hangs until it is let go.
 */
#pragma once

#include <stdbool.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_IO,      /* SQLITE_IOERR_* of the call */
    FAULT_FULL,    /* SQLITE_FULL where something is written; reading goes on */
    FAULT_CORRUPT, /* a read gives other bytes */
};

void fault_vfs_install(void);

/* From now on, the `nth` call (1 is the next) fails; with `stays`, all after it too. */
void fault_vfs_arm(enum fault_kind kind, unsigned nth, bool stays);
void fault_vfs_disarm(void);
unsigned fault_vfs_calls(void); /* since it was armed */

void fault_vfs_hang_syncs(bool hang);
bool fault_vfs_is_hanging(void); /* a call is held */
unsigned fault_vfs_syncs(void);  /* of files, since it was armed */

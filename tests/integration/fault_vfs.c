/* See fault_vfs.h. Only the methods that matter are ours; the others are handed through. */
#include "fault_vfs.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind us in the same memory */
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs our_vfs;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t let_go = PTHREAD_COND_INITIALIZER;
static enum fault_kind armed;
static unsigned armed_nth;
static bool armed_stays;
static unsigned calls;
static unsigned syncs;
static bool hang;
static unsigned hanging;

void fault_vfs_arm(enum fault_kind kind, unsigned nth, bool stays)
{
    (void)pthread_mutex_lock(&mutex);
    armed = kind;
    armed_nth = nth;
    armed_stays = stays;
    calls = 0;
    syncs = 0;
    (void)pthread_mutex_unlock(&mutex);
}

void fault_vfs_disarm(void)
{
    fault_vfs_arm(FAULT_NONE, 0, false);
}

static unsigned read_shared(const unsigned *counter)
{
    (void)pthread_mutex_lock(&mutex);
    unsigned value = *counter;
    (void)pthread_mutex_unlock(&mutex);
    return value;
}

unsigned fault_vfs_calls(void)
{
    return read_shared(&calls);
}

unsigned fault_vfs_syncs(void)
{
    return read_shared(&syncs);
}

bool fault_vfs_is_hanging(void)
{
    return read_shared(&hanging) > 0;
}

void fault_vfs_hang_syncs(bool on)
{
    (void)pthread_mutex_lock(&mutex);
    hang = on;
    (void)pthread_cond_broadcast(&let_go);
    (void)pthread_mutex_unlock(&mutex);
}

/* The fault that this call is to have. */
static enum fault_kind next_fault(void)
{
    (void)pthread_mutex_lock(&mutex);
    calls++;
    bool now = armed != FAULT_NONE && (calls == armed_nth || (armed_stays && calls > armed_nth));
    enum fault_kind kind = now ? armed : FAULT_NONE;
    (void)pthread_mutex_unlock(&mutex);
    return kind;
}

static int code_of(enum fault_kind kind, int io)
{
    return kind == FAULT_FULL ? SQLITE_FULL : io;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)(void *)file)->real;
}

static int on_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int on_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset)
{
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO)
        return SQLITE_IOERR_READ;
    int code = real_of(file)->pMethods->xRead(real_of(file), bytes, count, offset);
    if (kind == FAULT_CORRUPT && code == SQLITE_OK)
        for (int i = 0; i < count; i += 7)
            ((unsigned char *)bytes)[i] ^= 0x5a;
    return code;
}

static int on_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO || kind == FAULT_FULL) {
        /* Half of it arrives, as on a disk that fills up. */
        (void)real_of(file)->pMethods->xWrite(real_of(file), bytes, count / 2, offset);
        return code_of(kind, SQLITE_IOERR_WRITE);
    }
    return real_of(file)->pMethods->xWrite(real_of(file), bytes, count, offset);
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO)
        return SQLITE_IOERR_TRUNCATE;
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int on_sync(sqlite3_file *file, int flags)
{
    enum fault_kind kind = next_fault();
    (void)pthread_mutex_lock(&mutex);
    syncs++;
    hanging++;
    while (hang)
        (void)pthread_cond_wait(&let_go, &mutex);
    hanging--;
    (void)pthread_mutex_unlock(&mutex);
    if (kind == FAULT_IO || kind == FAULT_FULL)
        return code_of(kind, SQLITE_IOERR_FSYNC);
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int on_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO)
        return SQLITE_IOERR_FSTAT;
    return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int on_lock(sqlite3_file *file, int level)
{
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO)
        return SQLITE_IOERR_LOCK;
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int on_check_lock(sqlite3_file *file, int *ret)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int on_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int on_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int on_character(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO)
        return SQLITE_IOERR_SHMMAP;
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int on_shm_unmap(sqlite3_file *file, int delete_too)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_too);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_character,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                   int *ret_flags)
{
    struct fault_file *ours = (struct fault_file *)(void *)file;
    (void)vfs;
    ours->base.pMethods = NULL;
    ours->real = (sqlite3_file *)(void *)(ours + 1);
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO || kind == FAULT_FULL)
        return SQLITE_CANTOPEN;
    int code = real_vfs->xOpen(real_vfs, name, ours->real, flags, ret_flags);
    if (ours->real->pMethods != NULL)
        ours->base.pMethods = &methods;
    return code;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    enum fault_kind kind = next_fault();
    if (kind == FAULT_IO || kind == FAULT_FULL)
        return SQLITE_IOERR_DELETE;
    return real_vfs->xDelete(real_vfs, name, sync);
}

void fault_vfs_install(void)
{
    if (real_vfs != NULL)
        return;
    real_vfs = sqlite3_vfs_find(NULL);
    assert(real_vfs != NULL);
    our_vfs = *real_vfs;
    our_vfs.zName = "faults";
    our_vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
    our_vfs.xOpen = on_open;
    our_vfs.xDelete = on_delete;
    int code = sqlite3_vfs_register(&our_vfs, 1);
    assert(code == SQLITE_OK);
}

/*
 * Time zones by name from the system's database, a directory of TZif files.
 */
#pragma once

#include "base/result.h"
#include "base/zone.h"

#define ZONEINFO_DIRECTORY "/usr/share/zoneinfo"

struct zoneinfo {
    const char *directory; /* $TZDIR or ZONEINFO_DIRECTORY: the caller knows */
};

/*
 * Reads the zone `name`; `context` is a struct zoneinfo, so that this is the loader's zone function
 * as it stands. Links inside the database are followed; what they end in must be a regular file of
 * at most ZONE_FILE_MAX bytes.
 * Outcomes: 0, the caller owns *ret; -ENOENT, no such zone, with the nearest name in the text;
 * -EINVAL, not a usable file; -EIO; -ENOMEM.
 */
int zoneinfo_load(void *context, const char *name, struct zone **ret,
                  struct errtext *err) MUST_CHECK;

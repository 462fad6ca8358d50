/*
 * Zone files for tests: the system's, the ones kept in tests/data/zoneinfo (which no decree changes
 * any more), and the same with their tables cut.
 */
#pragma once

#include "base/zone.h"

#define ZONE_DIRECTORY "/usr/share/zoneinfo"
#define ZONE_DIRECTORY_KEPT TEST_DATA_DIRECTORY "/zoneinfo"

/* The bytes of the named zone; NULL where there are none. The caller frees them. */
uint8_t *zone_file_read(const char *directory, const char *name, size_t *ret_length);

/*
 * A copy of a zone file of version 2 or later that has lost all transitions at or after `second`,
 * so that the footer alone speaks of later times. NULL for other files. The caller frees it.
 */
uint8_t *zone_file_cut(const uint8_t *bytes, size_t length, int64_t second, size_t *ret_length);

/* The named zone, its table cut at `second` (INT64_MAX: whole); aborts where it cannot be read. */
struct zone *zone_file_load(const char *directory, const char *name, int64_t second);

/* Zone rules (POSIX TZ strings): refused with a text, or a zone that holds together. */
#include "zone_walk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char tz[128];
    if (size >= sizeof tz)
        return 0;
    memcpy(tz, data, size);
    tz[size] = '\0';

    struct zone *zone = NULL;
    struct errtext err = {""};
    if (zone_parse_posix(tz, &zone, &err) < 0) {
        if (zone != NULL || err.text[0] == '\0')
            abort();
        return 0;
    }
    zone_walk(zone);
    zone_destroy(zone);
    return 0;
}

/* TZif files: refused with a text, or a zone whose look-ups agree with each other. */
#include "zone_walk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone *zone = NULL;
    struct errtext err = {""};
    if (zone_parse(data, size, &zone, &err) < 0) {
        if (zone != NULL || err.text[0] == '\0')
            abort();
        return 0;
    }
    zone_walk(zone);
    zone_destroy(zone);
    return 0;
}

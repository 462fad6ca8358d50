/*
 * Answers questions about zone files, for a test that asks an independent reader the same.
 *
 * stdin, a line each:  zone PATH | at SECOND | changes FROM UNTIL
 * stdout:              the answer to "at": "OFFSET ABBREVIATION"; to "changes": "AT BEFORE AFTER"
 *                      a line each in (FROM, UNTIL), then "end".
 * Exit 1 where a zone cannot be read.
 */
#include "base/zone.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct zone *load(const char *path)
{
    static uint8_t bytes[ZONE_FILE_MAX + 1];
    struct zone *zone = NULL;
    struct errtext err = {"cannot be opened"};
    FILE *file = fopen(path, "rbe");
    if (file != NULL) {
        size_t length = fread(bytes, 1, sizeof bytes, file);
        (void)fclose(file);
        if (zone_parse(bytes, length, &zone, &err) == 0)
            return zone;
    }
    (void)fprintf(stderr, "%s: %s\n", path, err.text);
    exit(1);
}

static void print_changes(const struct zone *zone, int64_t from, int64_t until)
{
    struct zone_change change = {.at = from};
    while (zone_next_change(zone, change.at, &change) && change.at < until)
        (void)printf("%" PRId64 " %d %d\n", change.at, change.before, change.after);
    (void)printf("end\n");
}

int main(void)
{
    struct zone *zone = NULL;
    char line[512];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char path[512];
        int64_t from;
        int64_t until;
        if (sscanf(line, "zone %511s", path) == 1) {
            zone_destroy(zone);
            zone = load(path);
        } else if (zone != NULL && sscanf(line, "at %" SCNd64, &from) == 1) {
            struct zone_offset offset = zone_offset_at(zone, from);
            (void)printf("%d %s\n", offset.seconds, offset.abbreviation);
        } else if (zone != NULL
                   && sscanf(line, "changes %" SCNd64 " %" SCNd64, &from, &until) == 2) {
            print_changes(zone, from, until);
        } else {
            (void)fprintf(stderr, "not understood: %s", line);
            return 1;
        }
    }
    zone_destroy(zone);
    return 0;
}

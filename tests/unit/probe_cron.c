/*
 * Answers for a test that asks another evaluator the same.
 *
 * stdin, a line each:  SECOND EXPRESSION
 * stdout:              the next three slots in UTC, "never" for each that does not come
 */
#include "base/cron.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    char line[512];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int64_t at;
        int used = 0;
        struct cron cron;
        struct errtext err;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%" SCNd64 " %n", &at, &used) != 1 || used == 0)
            return 1;
        if (cron_parse(line + used, &cron, &err) != 0) {
            (void)fprintf(stderr, "%s: %s\n", line, err.text);
            return 1;
        }
        for (int i = 0; i < 3; i++) {
            struct cron_slot slot;
            if (cron_next(&cron, zone_utc(), at, &slot) != 0) {
                (void)printf("never ");
                continue;
            }
            (void)printf("%" PRId64 " ", slot.second);
            at = slot.second;
        }
        (void)printf("\n");
    }
    return 0;
}

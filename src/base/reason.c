/* See reason.h. */
#include "base/reason.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *reason;
    const char *words;
} known[] = {
    {"changed", "a reload gave its schedule another rule before it could be recorded"},
    {"clock", "start_within passed while the clock could not be believed"},
    {"closed", "its slot was closed by hand in the ledger"},
    {"earlier_backup", "start_within passed while an earlier backup was not known to have ended"},
    {"endpoint", "start_within passed while its host gave no sign of life"},
    {"keys", "start_within passed without keys that the cloud takes"},
    {"ledger", "start_within passed while the ledger could not record"},
    {"overlap", "its previous backup has not ended, and overlap is forbidden"},
    {"passed", "the slot passed while the daemon was down or its clock was wrong"},
    {"paused", "the schedule is paused"},
    {"refused", "the order could not be recorded as a whole"},
    {"removed", "it was taken out of the file"},
    {"start_within", "its turn did not come inside start_within"},
    {"stopping", "the daemon was being stopped"},
    {"too_late", "the slot was found later than start_within allows"},
};

const char *reason_in_words(const char *reason)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(reason, known[i].reason) == 0)
            return known[i].words;
    return reason;
}

/*
 * What was decided about one instance, told from its runs in the ledger: when an attempt was begun,
 * what its verdict was, how its task ended, each with its reason in words.
 */
#pragma once

#include "ports/ledger_history.h"

#define LEDGER_DECISIONS_MAX 50
#define LEDGER_DECISIONS_PAGES 10

/* Borrowed for the call. */
struct ledger_decision {
    struct wall at;
    const char *event; /* the log's name for it: "backup_submitted", ...; "backup_started",
                          "backup_waiting" */
    const char *text;  /* one line */
    const char *code;  /* "" where there is none */
    const struct history_run *run; /* of which it is a part, as that stands now */
};
typedef void (*ledger_decision_fn)(void *context, const struct ledger_decision *decision);

/* Whose decisions. */
struct ledger_decided {
    const char *instance;
    const struct history_schedules *schedules; /* and those of their slots as a whole; NULL: none */
};

/*
 * The newest LEDGER_DECISIONS_MAX, newest first. For slots as a whole LEDGER_DECISIONS_PAGES pages
 * are looked at; the run of such a decision has LEDGER_WHOLE_SLOT for its instance. Outcomes: 0;
 * -ENOMEM; negative as of ledger_history_page().
 */
int ledger_decisions(struct ledger_history *history, const struct ledger_decided *of,
                     ledger_decision_fn each, void *context) MUST_CHECK;

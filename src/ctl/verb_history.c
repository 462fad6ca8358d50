/* history: what became of each run, the newest slot first. */
#include "base/reason.h"
#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/dialogue.h"
#include "ctl/table.h"
#include "ctl/when.h"
#include "engine/model.h"
#include "ports/clock_system.h"

#include <string.h>

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 100000

struct history {
    struct dialogue_options where;
    const char *schedule;
    const char *since_text;
    const char *until_text;
    const char *limit_text;
    struct ctl_values instances;
    bool failed;
    struct wall since;
    struct wall until;
    unsigned long limit;
    struct table *table;
    struct screen screen;
};

static void put(const void *context, struct json_writer *request)
{
    const struct history *history = context;
    dialogue_put_values(request, "instance", &history->instances);
    json_put_known(request, "schedule", history->schedule);
    if (history->since_text != NULL)
        json_put_instant(request, "since", history->since);
    if (history->until_text != NULL)
        json_put_instant(request, "until", history->until);
    if (history->failed)
        json_put_bool(request, "failed", true);
    json_put_number(request, "limit", (int64_t)history->limit);
}

/* "CODE: text", either, or nothing; a person is told what a reason means. */
static void put_reason(const struct history *history, struct json_value row)
{
    char code[128];
    char text[512];
    char reason[sizeof code + sizeof text];
    struct text t = text_over(reason, sizeof reason);
    bool has_code = answer_text(row, "code", code, sizeof code);
    bool has_text = answer_text(row, "text", text, sizeof text);
    if (has_code)
        text_add(&t, code);
    if (has_text && text[0] != '\0')
        text_addf(&t, "%s%s", has_code ? ": " : "",
                  history->screen.terminal ? reason_in_words(text) : text);
    table_put(history->table, LOOK_PLAIN, reason);
}

static void read_run(void *context, struct json_value row)
{
    struct history *history = context;
    struct table *table = history->table;
    char text[128];
    char number[24];
    struct wall at;
    (void)answer_instant(row, "slot", &at);
    (void)civil_format_utc(at, text); /* a run's identity: as exact as it is */
    table_put(table, LOOK_PLAIN, text);
    (void)answer_text(row, "schedule", text, sizeof text);
    table_put(table, LOOK_PLAIN, text);
    (void)answer_text(row, "instance", text, sizeof text);
    bool for_a_person = history->screen.terminal && answer_flag(row, "whole_slot");
    table_put(table, LOOK_PLAIN, for_a_person ? "* (whole slot)" : text);
    (void)answer_text(row, "kind", text, sizeof text);
    table_put(table, LOOK_PLAIN, text);
    (void)answer_text(row, "outcome", text, sizeof text);
    table_put(table, screen_look_of_outcome(text), text);
    (void)snprintf(number, sizeof number, "%lld", (long long)answer_number(row, "attempts"));
    table_put(table, LOOK_PLAIN, number);
    (void)snprintf(number, sizeof number, "%lld", (long long)answer_number(row, "task_id"));
    table_put(table, LOOK_PLAIN, strcmp(number, "0") == 0 ? "" : number);
    put_reason(history, row);
}

/* Where nothing was found, a person is told for what was looked. */
static int end_of(const struct history *history, const struct json *end)
{
    struct json_value value = answer_member(json_root(end), "end");
    table_print(history->table, SIZE_MAX);
    if (answer_flag(value, "truncated"))
        return ctl_complain(CTL_DONE, "there are more: --limit, up to %d, or --until", LIMIT_MAX);
    if (table_rows(history->table) == 0)
        return ctl_complain(
            CTL_DONE, "no run%s is in the history%s", history->failed ? " that failed" : "",
            history->since_text != NULL || history->until_text != NULL ? " of that time" : "");
    return CTL_DONE;
}

static int ask(struct ctl *ctl, struct history *history)
{
    const struct dialogue_rows rows = {
        .each = read_run, .context = history, .json = ctl->json ? stdout : NULL, .member = "runs"};
    struct json end;
    struct errtext err = {""};
    int exit_code = dialogue_once(&history->where, "history", put, history, &rows, &end, &err);
    if (exit_code != CTL_GO_ON)
        return ctl_complain(exit_code, "%s", err.text);
    exit_code = ctl->json ? CTL_DONE : end_of(history, &end);
    json_finish(&end);
    return exit_code;
}

static int judge(struct history *history)
{
    struct errtext err = {""};
    struct wall now = clock_now().wall;
    history->limit = LIMIT_DEFAULT;
    if (history->limit_text != NULL
        && !ctl_parse_count(history->limit_text, LIMIT_MAX, &history->limit))
        return ctl_complain(CTL_BAD_DATA, "--limit '%s' is not a whole number from 1 to %d",
                            history->limit_text, LIMIT_MAX);
    if (history->since_text != NULL
        && when_parse(history->since_text, now, -1, &history->since, &err) != 0)
        return ctl_complain(CTL_BAD_DATA, "--since: %s", err.text);
    if (history->until_text != NULL
        && when_parse(history->until_text, now, -1, &history->until, &err) != 0)
        return ctl_complain(CTL_BAD_DATA, "--until: %s", err.text);
    return CTL_GO_ON;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    static const struct table_column columns[] = {
        {.head = "SLOT"},
        {.head = "SCHEDULE"},
        {.head = "INSTANCE"},
        {.head = "KIND", .dispensable = 3},
        {.head = "RESULT"},
        {.head = "ATTEMPTS", .right = true, .dispensable = 2},
        {.head = "TASK", .right = true, .dispensable = 1},
        {.head = "REASON", .cut = true, .below = true},
    };
    struct history history = {.schedule = NULL};
    const struct ctl_option options[] = {
        DIALOGUE_OPTIONS(history.where),
        {.name = "--schedule", .value = &history.schedule},
        {.name = "--instance", .values = &history.instances},
        {.name = "--since", .value = &history.since_text},
        {.name = "--until", .value = &history.until_text},
        {.name = "--failed", .given = &history.failed},
        {.name = "--limit", .value = &history.limit_text},
    };
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code == CTL_GO_ON)
        exit_code = judge(&history);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    history.screen = screen_of(stdout);
    history.table = table_create(columns, sizeof columns / sizeof columns[0], &history.screen);
    exit_code = ask(ctl, &history);
    table_destroy(history.table);
    return exit_code;
}

const struct verb verb_history = {
    .name = "history",
    .arguments = "[--failed] [--since TIME] [OPTION...]",
    .summary = "what became of each run, the newest first",
    .help = "Outcomes: open, submitted, succeeded; failed, missed, skipped, unknown, stuck.\n"
            "Without a terminal the fields are separated by tabs: slot, schedule, instance,\n"
            "kind, outcome, attempts, task, reason. The instance * is a slot as a whole that\n"
            "was missed or skipped, which stands in the history of each instance, too.\n"
            "\n"
            "  --instance ID       of this instance alone; may come again\n"
            "  --schedule NAME     of this schedule alone\n"
            "  --since TIME        slots from then on: a duration back from now, such as 1d\n"
            "                      or 6h, or an instant, such as 2026-11-23T19:00:00Z\n"
            "  --until TIME        slots before then\n"
            "  --failed            only what did not end as a good backup: failed, missed,\n"
            "                      skipped, unknown, stuck\n"
            "  --limit N           1 to 100000 runs; 1000 where absent\n" DIALOGUE_HELP,
    .run = run,
};

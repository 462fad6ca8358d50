/*
 * why: what an instance is doing now in each of its schedules, and the last decisions about it,
 * each with its reason. Behind a failure and a miss stands what a person can do about its code, as
 * explain says.
 */
#include "base/reply.h"
#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/dialogue.h"
#include "ctl/screen.h"
#include "ctl/when.h"
#include "engine/model.h"
#include "ports/clock_system.h"

#include <string.h>

#define DECISIONS_MAX 50 /* the daemon sends no more */
#define TEXT_MAX 1024    /* of a decision with its code */

struct decision {
    struct wall at;
    struct wall slot;
    char schedule[MODEL_NAME_MAX + 1];
    char event[64];
    char code[REPLY_CODE_MAX];
    char text[512];
    long long task_id;
    long long attempt;
};

struct why {
    struct dialogue_options where;
    const char *instance;
    struct screen screen;
    struct wall now;
    struct decision decisions[DECISIONS_MAX];
    size_t count;
};

static void put(const void *context, struct json_writer *request)
{
    const struct why *why = context;
    json_put_text(request, "instance", why->instance);
}

static void read_decision(void *context, struct json_value row)
{
    struct why *why = context;
    if (why->count == DECISIONS_MAX)
        return;
    struct decision *decision = &why->decisions[why->count++];
    (void)answer_instant(row, "at", &decision->at);
    (void)answer_instant(row, "slot", &decision->slot);
    (void)answer_text(row, "schedule", decision->schedule, sizeof decision->schedule);
    (void)answer_text(row, "event", decision->event, sizeof decision->event);
    (void)answer_text(row, "code", decision->code, sizeof decision->code);
    (void)answer_text(row, "text", decision->text, sizeof decision->text);
    decision->task_id = answer_number(row, "task_id");
    decision->attempt = answer_number(row, "attempt");
}

static enum screen_look look_of(const char *event)
{
    static const struct {
        const char *event;
        enum screen_look look;
    } known[] = {
        {"backup_succeeded", LOOK_GOOD},  {"backup_failed", LOOK_BAD},
        {"backup_unknown", LOOK_BAD},     {"backup_missed", LOOK_WARNING},
        {"backup_skipped", LOOK_WARNING}, {"backup_retry", LOOK_WARNING},
        {"watch_failed", LOOK_WARNING},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(event, known[i].event) == 0)
            return known[i].look;
    return LOOK_PLAIN;
}

/* For a program: a line each, fields separated by tabs. */
static void print_lines(const struct why *why)
{
    char at[CIVIL_TEXT_MAX];
    char slot[CIVIL_TEXT_MAX];
    for (size_t i = 0; i < why->count; i++) {
        const struct decision *decision = &why->decisions[i];
        (void)printf("%s\t%s\t%s\t%s\t%s\t%s\n", civil_format_utc(decision->at, at),
                     decision->schedule, civil_format_utc(decision->slot, slot), decision->event,
                     decision->code, decision->text);
    }
}

static void print_now(const struct why *why, struct json_value end)
{
    struct json_value schedules = answer_member(end, "schedules");
    struct json_value row = {NULL, NULL};
    char name[MODEL_NAME_MAX + 1];
    char state[64];
    char text[512];
    char when[WHEN_TEXT_MAX];
    struct wall next;
    (void)answer_text(end, "instance", text, sizeof text);
    (void)printf("%s%s%s\n", screen_begin(&why->screen, LOOK_HEAD), text,
                 screen_end(&why->screen, LOOK_HEAD));
    while (schedules.item != NULL && json_next(schedules, &row)) {
        (void)answer_text(row, "name", name, sizeof name);
        (void)answer_text(row, "state", state, sizeof state);
        (void)printf("  in %s: %s", name, state);
        if (answer_instant(row, "next", &next))
            (void)printf(", next slot %s", when_from(next, why->now, when));
        (void)printf("\n");
        if (answer_text(row, "text", text, sizeof text) && text[0] != '\0')
            screen_wrap(&why->screen, 4, 4, text);
    }
}

static void print_block(const struct why *why, const struct decision *decision)
{
    char at[WHEN_TEXT_MAX];
    char ago[WHEN_TEXT_MAX];
    char slot[CIVIL_TEXT_MAX];
    char text[TEXT_MAX];
    enum screen_look look = look_of(decision->event);
    (void)printf("\n%s (%s)  %s%s%s\n", when_short(decision->at, at),
                 when_from(decision->at, why->now, ago), screen_begin(&why->screen, look),
                 decision->event, screen_end(&why->screen, look));
    (void)printf("  %s, slot %s", decision->schedule, civil_format_utc(decision->slot, slot));
    if (decision->task_id != 0)
        (void)printf(", task %lld", decision->task_id);
    (void)printf("\n");
    (void)snprintf(text, sizeof text, "%s%s%s", decision->code,
                   decision->code[0] != '\0' ? ": " : "", decision->text);
    screen_wrap(&why->screen, 2, 2, text);
    bool missed = strcmp(decision->event, "backup_missed") == 0;
    if ((look == LOOK_BAD || missed) && decision->code[0] != '\0') {
        struct reply_explanation explanation = reply_explain(decision->code);
        (void)snprintf(text, sizeof text, "to do: %s", explanation.person);
        if (explanation.known)
            screen_wrap(&why->screen, 2, 4, text);
    }
}

static int print(const struct why *why, const struct json *end)
{
    if (!why->screen.terminal) {
        print_lines(why);
    } else {
        print_now(why, answer_member(json_root(end), "end"));
        for (size_t i = 0; i < why->count; i++)
            print_block(why, &why->decisions[i]);
    }
    if (why->count == 0)
        return ctl_complain(CTL_DONE, "nothing was decided about %s so far", why->instance);
    return CTL_DONE;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct why why = {.count = 0};
    const struct ctl_option options[] = {DIALOGUE_OPTIONS(why.where)};
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], &why.instance, 1);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    if (why.instance == NULL)
        return ctl_complain_usage(ctl, "why needs an instance");
    why.screen = screen_of(stdout);
    why.now = clock_now().wall;
    const struct dialogue_rows rows = {.each = read_decision,
                                       .context = &why,
                                       .json = ctl->json ? stdout : NULL,
                                       .member = "decisions"};
    struct json end;
    struct errtext err = {""};
    exit_code = dialogue_once(&why.where, "why", put, &why, &rows, &end, &err);
    if (exit_code != CTL_GO_ON)
        return ctl_complain(exit_code, "%s", err.text);
    exit_code = ctl->json ? CTL_DONE : print(&why, &end);
    json_finish(&end);
    return exit_code;
}

const struct verb verb_why = {
    .name = "why",
    .arguments = "INSTANCE",
    .summary = "what an instance is doing, and the last decisions about it",
    .help = "What it is doing now in each of its schedules, and the last 50 decisions about\n"
            "it, the newest first, each with its reason. Without a terminal the decisions\n"
            "alone, fields separated by tabs: time, schedule, slot, event, code, text.\n"
            "\n" DIALOGUE_HELP,
    .run = run,
};

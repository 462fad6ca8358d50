/* list: the instances, a row a schedule that each is in. */
#include "ctl/answer.h"
#include "ctl/dialogue.h"
#include "ctl/table.h"
#include "ctl/when.h"
#include "engine/model.h"
#include "ports/clock_system.h"

#include <string.h>

struct list {
    struct dialogue_options where;
    const char *schedule;
    struct ctl_values instances;
    struct table *table;
    struct screen screen;
    struct wall now;
};

static void put(const void *context, struct json_writer *request)
{
    const struct list *list = context;
    json_put_known(request, "schedule", list->schedule);
    dialogue_put_values(request, "instance", &list->instances);
}

static enum screen_look look_of_state(const char *state)
{
    return strcmp(state, "paused") == 0 ? LOOK_WARNING : LOOK_PLAIN;
}

/* For a person how far away it is, for a program the instant. */
static void put_instant(struct list *list, struct json_value row, const char *name,
                        enum screen_look look)
{
    char text[WHEN_TEXT_MAX] = "";
    struct wall at;
    if (answer_instant(row, name, &at) && list->screen.terminal)
        (void)when_from(at, list->now, text);
    else if (at.us != 0)
        (void)when_short(at, text);
    table_put(list->table, look, text);
}

static void read_row(void *context, struct json_value row)
{
    struct list *list = context;
    char text[128];
    bool overdue = answer_flag(row, "overdue");
    (void)answer_text(row, "instance", text, sizeof text);
    table_put(list->table, LOOK_PLAIN, text);
    (void)answer_text(row, "schedule", text, sizeof text);
    table_put(list->table, LOOK_PLAIN, text);
    (void)answer_text(row, "region", text, sizeof text);
    table_put(list->table, LOOK_PLAIN, text);
    (void)answer_text(row, "state", text, sizeof text);
    table_put(list->table, look_of_state(text), text);
    put_instant(list, row, "next", LOOK_PLAIN);
    (void)answer_text(row, "last_outcome", text, sizeof text);
    table_put(list->table, screen_look_of_outcome(text), text);
    put_instant(list, row, "last_good", overdue ? LOOK_BAD : LOOK_PLAIN);
    table_put(list->table, overdue ? LOOK_BAD : LOOK_PLAIN, overdue ? "overdue" : "");
}

static int ask(struct ctl *ctl, struct list *list)
{
    const struct dialogue_rows rows = {.each = read_row,
                                       .context = list,
                                       .json = ctl->json ? stdout : NULL,
                                       .member = "instances"};
    struct json end;
    struct errtext err = {""};
    int exit_code = dialogue_once(&list->where, "list", put, list, &rows, &end, &err);
    if (exit_code != CTL_GO_ON)
        return ctl_complain(exit_code, "%s", err.text);
    json_finish(&end);
    if (ctl->json)
        return CTL_DONE;
    table_print(list->table, SIZE_MAX);
    if (table_rows(list->table) == 0)
        return ctl_complain(CTL_DONE, "there is no such instance");
    return CTL_DONE;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    static const struct table_column columns[] = {
        {.head = "INSTANCE"},
        {.head = "SCHEDULE", .cut = true},
        {.head = "REGION", .dispensable = 2},
        {.head = "STATE"},
        {.head = "NEXT", .dispensable = 1},
        {.head = "LAST"},
        {.head = "LAST GOOD"},
        {.head = ""},
    };
    struct list list = {.schedule = NULL};
    const struct ctl_option options[] = {
        DIALOGUE_OPTIONS(list.where),
        {.name = "--schedule", .value = &list.schedule},
        {.name = "--instance", .values = &list.instances},
    };
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    list.screen = screen_of(stdout);
    list.now = clock_now().wall;
    list.table = table_create(columns, sizeof columns / sizeof columns[0], &list.screen);
    exit_code = ask(ctl, &list);
    table_destroy(list.table);
    return exit_code;
}

const struct verb verb_list = {
    .name = "list",
    .arguments = "[--schedule NAME] [--instance ID]...",
    .summary = "the instances: state, next slot, last result, newest good backup",
    .help = "A row for each instance of each schedule. Without a terminal the fields are\n"
            "separated by tabs: instance, schedule, region, state, next slot, last outcome,\n"
            "newest good backup, and 'overdue' where that is too old.\n"
            "\n"
            "  --schedule NAME     of this schedule alone\n"
            "  --instance ID       of this instance alone; may come again\n" DIALOGUE_HELP,
    .run = run,
};

/*
 * See restore.h. One piece of work at a time, of a part of the members: the pool's thread reads
 * what the ledger has of each and writes it into the piece, the loop's thread takes it over and
 * gives out the next. The config is frozen, so both may read it; its count of references is the
 * loop's alone.
 *
 * A member of which nothing good is known is looked for through its whole history, which is what
 * takes long, and what nobody waits for.
 *
 * Failure path: a ledger that cannot be read ends it; the view then begins with this life.
 */
#include "daemon/restore.h"

#include "base/text.h"
#include "engine/view.h"
#include "ports/ledger_history.h"
#include "ports/ledger_sqlite.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define PIECE 1024    /* members */
#define PAGES_MAX 100 /* of a member's history */

struct restore {
    uv_work_t work;
    uv_loop_t *loop;
    struct engine *engine;
    struct config *config;
    struct ledger_history *history;
    char *file;
    atomic_bool closing;
    bool over;
    bool failed;
    uint32_t schedule; /* where the next piece begins */
    uint32_t instance;
    uint32_t count; /* of this piece */
    struct place {
        uint32_t schedule;
        uint32_t instance;
        struct view_past past;
    } piece[PIECE];
};

/* ---- on the pool's thread ---- */

static enum view_outcome outcome_of(const struct history_run *run)
{
    static const enum view_outcome outcomes[] = {
        [HISTORY_OPEN] = VIEW_OPEN,           [HISTORY_SUBMITTED] = VIEW_SUBMITTED,
        [HISTORY_SUCCEEDED] = VIEW_SUCCEEDED, [HISTORY_FAILED] = VIEW_FAILED,
        [HISTORY_MISSED] = VIEW_MISSED,       [HISTORY_SKIPPED] = VIEW_SKIPPED,
        [HISTORY_UNKNOWN] = VIEW_UNKNOWN,     [HISTORY_STUCK] = VIEW_STUCK,
    };
    return outcomes[run->outcome];
}

/* Newest first; false: all that is wanted is known. */
static bool take_run(void *context, const struct history_run *run)
{
    struct view_past *past = context;
    enum view_outcome outcome = outcome_of(run);
    if (past->slot.us == 0) {
        past->slot = run->slot;
        past->outcome = outcome;
    }
    if (past->scheduled_slot.us == 0 && strcmp(run->kind, "operator") != 0) {
        past->scheduled_slot = run->slot;
        past->scheduled = outcome;
    }
    past->first = run->slot;
    if (outcome != VIEW_SUCCEEDED)
        return true;
    if (past->good_at.us == 0)
        past->good_at = run->finished;
    return past->scheduled_slot.us == 0;
}

static int read_member(struct restore *restore, struct place *place)
{
    const struct schedule *schedule = &restore->config->schedules[place->schedule];
    const char *id = schedule->instances[place->instance].id;
    const struct history_query query = {
        .schedule = schedule->name, .instances = &id, .instance_count = 1, .until = WALL_NEVER};
    struct history_cursor cursor = {0};
    int r = 0;
    for (int i = 0; r == 0 && i < PAGES_MAX && !atomic_load(&restore->closing); i++) {
        r = ledger_history_page(restore->history, &query, &cursor, take_run, &place->past);
        if (place->past.good_at.us > 0 && place->past.scheduled_slot.us > 0)
            break;
    }
    return r < 0 ? r : 0;
}

static void work(uv_work_t *request)
{
    struct restore *restore = request->data;
    int r = 0;
    if (restore->history == NULL)
        r = ledger_history_open(restore->file, &restore->history, NULL);
    for (uint32_t i = 0; r == 0 && i < restore->count && !atomic_load(&restore->closing); i++)
        r = read_member(restore, &restore->piece[i]);
    restore->failed = r < 0;
}

/* ---- on the loop's thread ---- */

/* The members of the next piece; false: there are none left. */
static bool cut_piece(struct restore *restore)
{
    const struct config *config = restore->config;
    restore->count = 0;
    while (restore->schedule < config->schedule_count && restore->count < PIECE) {
        if (restore->instance == config->schedules[restore->schedule].instance_count) {
            restore->schedule++;
            restore->instance = 0;
            continue;
        }
        restore->piece[restore->count++] =
            (struct place){.schedule = restore->schedule, .instance = restore->instance++};
    }
    return restore->count > 0;
}

static void take_over(struct restore *restore)
{
    struct view *view = engine_view(restore->engine);
    for (uint32_t i = 0; i < restore->count; i++) {
        const struct place *place = &restore->piece[i];
        const struct schedule *schedule = &restore->config->schedules[place->schedule];
        uint32_t of;
        uint32_t number;
        if (view_find(view, schedule->name, schedule->instances[place->instance].id, &of, &number)
            == 0)
            view_restore(view, view_number(view, of, number), &place->past);
    }
}

static void end(struct restore *restore)
{
    restore->over = true;
    ledger_history_close(restore->history);
    restore->history = NULL;
    config_unref(restore->config);
    restore->config = NULL;
}

static void after_work(uv_work_t *request, int status)
{
    struct restore *restore = request->data;
    bool closing = status < 0 || atomic_load(&restore->closing);
    if (!closing && !restore->failed)
        take_over(restore);
    if (closing || restore->failed || !cut_piece(restore)
        || uv_queue_work(restore->loop, &restore->work, work, after_work) < 0)
        end(restore);
}

int restore_begin(struct uv_loop_s *loop, const char *state_dir, struct config *config,
                  struct engine *engine, struct restore **ret)
{
    struct restore *restore = calloc(1, sizeof *restore);
    size_t size = strlen(state_dir) + sizeof "/" LEDGER_FILE;
    char *file = malloc(size);
    if (restore == NULL || file == NULL) {
        free(restore);
        free(file);
        return -ENOMEM;
    }
    struct text t = text_over(file, size);
    text_add(&t, state_dir);
    text_add(&t, "/" LEDGER_FILE);
    restore->work.data = restore;
    restore->loop = loop;
    restore->engine = engine;
    restore->config = config_ref(config);
    restore->file = file;
    if (!cut_piece(restore) || uv_queue_work(loop, &restore->work, work, after_work) < 0)
        end(restore);
    *ret = restore;
    return 0;
}

bool restore_is_over(const struct restore *restore)
{
    return restore == NULL || restore->over;
}

void restore_close(struct restore *restore)
{
    if (restore != NULL)
        atomic_store(&restore->closing, true);
}

void restore_destroy(struct restore *restore)
{
    if (restore == NULL)
        return;
    free(restore->file);
    free(restore);
}

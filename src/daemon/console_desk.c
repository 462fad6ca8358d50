/*
 * See console_desk.h. The connection is opened by the first job and closed when no job is left, so
 * that an idle daemon holds no more of the ledger than its writer does, and a ledger that was
 * replaced is found.
 */
#include "daemon/console_desk.h"

#include "base/text.h"
#include "daemon/console_ask.h"
#include "ports/ledger_sqlite.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct desk {
    uv_work_t work;
    uv_loop_t *loop;
    struct ledger_history *history; /* the pool's thread's, while a job is worked at */
    struct desk_job *first;         /* the queue, behind the one at work */
    struct desk_job *working;
    char *file;
};

/* ---- the pool's thread ---- */

static void work(uv_work_t *request)
{
    struct desk *desk = request->data;
    struct desk_job *job = desk->working;
    int r = 0;
    if (desk->history == NULL)
        r = ledger_history_open(desk->file, &desk->history, &job->err);
    if (r == 0) {
        r = job->work(job, desk->history);
        if (r < 0)
            (void)errtext_set(&job->err, r, "%s cannot be read: %s", desk->file, strerror(-r));
    }
    job->outcome = r;
}

/* ---- the loop's thread ---- */

static void begin_next(struct desk *desk);

/* Its ask goes on, if it still listens. */
static void after(uv_work_t *request, int status)
{
    struct desk *desk = request->data;
    struct desk_job *job = desk->working;
    (void)status; /* nothing is ever cancelled */
    desk->working = NULL;
    if (job->ask == NULL) {
        free(job);
    } else {
        job->state = JOB_ANSWERED;
        ask_go_on(job->ask);
    }
    begin_next(desk);
}

static void begin_next(struct desk *desk)
{
    struct desk_job *job = desk->first;
    if (desk->working != NULL)
        return;
    if (job == NULL) {
        ledger_history_close(desk->history);
        desk->history = NULL;
        return;
    }
    desk->first = job->next;
    desk->working = job;
    job->state = JOB_WORKING;
    int r = uv_queue_work(desk->loop, &desk->work, work, after);
    assert(r == 0); /* it refuses nothing but a missing function */
    (void)r;
}

void desk_ask(struct desk *desk, struct ask *ask, struct desk_job *job)
{
    assert(job->state == JOB_IDLE || job->state == JOB_ANSWERED);
    struct desk_job **link = &desk->first;
    while (*link != NULL)
        link = &(*link)->next;
    *link = job;
    job->next = NULL;
    job->ask = ask;
    job->state = JOB_QUEUED;
    job->rows = json_write_over(job->bytes, sizeof job->bytes);
    ask_set_aside(ask);
    begin_next(desk);
}

void desk_leave(struct desk *desk, struct desk_job *job)
{
    if (job == NULL)
        return;
    job->ask = NULL;
    if (job->state == JOB_WORKING)
        return;
    if (job->state == JOB_QUEUED) {
        struct desk_job **link = &desk->first;
        while (*link != job)
            link = &(*link)->next;
        *link = job->next;
    }
    free(job);
}

/* ---- an answer out of jobs ---- */

void ask_put_desk_rows(struct ask *ask, struct json_writer *w)
{
    const struct text *rows = &ask->job->rows.text;
    if (rows->length == 0)
        return;
    if (w->follows)
        text_add_char(&w->text, ',');
    w->follows = true;
    text_add_bytes(&w->text, rows->bytes, rows->length);
}

static enum ask_row wait_for_job(struct ask *ask)
{
    desk_ask(ask->desk, ask, ask->job);
    return ASK_LATER;
}

enum ask_row ask_desk_wait(struct ask *ask, struct json_writer *w)
{
    struct desk_job *job = ask->job;
    (void)w;
    if (job->state == JOB_IDLE)
        return wait_for_job(ask);
    if (job->state != JOB_ANSWERED)
        return ASK_LATER;
    if (job->outcome < 0)
        ask_refuse(ask, "unavailable", "%s", job->err.text);
    return ASK_OVER;
}

enum ask_row ask_desk_rows(struct ask *ask, struct json_writer *w)
{
    struct desk_job *job = ask->job;
    enum ask_row row = ask_desk_wait(ask, w);
    if (row != ASK_OVER || ask->error_code != NULL)
        return row;
    if (job->rows.text.length > 0) {
        ask_put_desk_rows(ask, w);
        job->rows = json_write_over(job->bytes, sizeof job->bytes);
        return ASK_ROW;
    }
    return job->outcome == LEDGER_HISTORY_DONE ? ASK_OVER : wait_for_job(ask);
}

/* ---- life ---- */

void *desk_make(size_t size)
{
    assert(size >= sizeof(struct desk_job));
    return calloc(1, size);
}

int desk_create(struct uv_loop_s *loop, const char *state_dir, struct desk **ret)
{
    struct desk *desk = calloc(1, sizeof *desk);
    size_t size = strlen(state_dir) + sizeof "/" LEDGER_FILE;
    if (desk == NULL)
        return -ENOMEM;
    desk->loop = loop;
    desk->work.data = desk;
    desk->file = malloc(size);
    if (desk->file == NULL) {
        free(desk);
        return -ENOMEM;
    }
    struct text t = text_over(desk->file, size);
    text_addf(&t, "%s/" LEDGER_FILE, state_dir);
    *ret = desk;
    return 0;
}

void desk_close(struct desk *desk)
{
    if (desk == NULL)
        return;
    assert(desk->first == NULL);
    begin_next(desk);
}

void desk_destroy(struct desk *desk)
{
    if (desk == NULL)
        return;
    assert(desk->working == NULL && desk->first == NULL);
    ledger_history_close(desk->history);
    free(desk->file);
    free(desk);
}

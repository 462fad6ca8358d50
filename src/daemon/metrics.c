/*
 * See metrics.h. A page is written line by line into the piece that the server asks for, so nothing
 * of it is kept but the line that is being handed out. A reload changes what the numbers are of: a
 * page that spans one is broken off, and the next scrape has the new ones.
 */
#include "daemon/metrics.h"

#include "daemon/loop.h"
#include "daemon/metrics_page.h"
#include "daemon/obstacle.h"
#include "ports/clock_system.h"
#include "ports/metrics_http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *open_page(void *context)
{
    struct daemon *daemon = context;
    struct metrics_page *page = calloc(1, sizeof *page);
    if (page == NULL)
        return NULL;
    page->daemon = daemon;
    page->config = config_ref(daemon->config);
    page->counters = engine_counters(daemon->engine);
    page->status = engine_status(daemon->engine);
    page->process = process_stats_read();
    page->now = clock_now();
    return page;
}

static void close_page(void *context)
{
    struct metrics_page *page = context;
    config_unref(page->config);
    free(page);
}

/* The next line, a family's head with its first sample. False: the page is whole. */
static bool write_line(struct metrics_page *page)
{
    struct text t = text_over(page->line, sizeof page->line);
    while (page->family < metrics_family_count) {
        const struct metrics_family *family = &metrics_families[page->family];
        if (!page->headed)
            exposition_head(&t, family->name, family->type, family->help);
        size_t head = t.length;
        page->headed = true;
        page->cost += family->cost;
        if (family->sample(page, family->name, &t)) {
            assert(!t.cut && t.length > head); /* every name has its limit */
            page->length = t.length;
            page->given = 0;
            return true;
        }
        page->family++;
        page->headed = false;
        page->first = page->second = 0;
        t = text_over(page->line, sizeof page->line); /* a family without samples has no head */
    }
    return false;
}

static ptrdiff_t read_page(void *context, char *buffer, size_t room)
{
    struct metrics_page *page = context;
    size_t done = 0;
    page->cost = 0;
    if (page->config != page->daemon->config)
        return -1;
    while (done < room && (done == 0 || page->cost < METRICS_PIECE_COST)
           && (page->given < page->length || write_line(page))) {
        size_t left = page->length - page->given;
        size_t part = left < room - done ? left : room - done;
        memcpy(buffer + done, page->line + page->given, part);
        page->given += part;
        done += part;
    }
    return (ptrdiff_t)done;
}

static_assert(METRICS_HTTP_TEXT_MAX >= OBSTACLE_TEXT_MAX, "an obstacle is told as a whole");

static bool why_not_ready(void *context, char ret_text[METRICS_HTTP_TEXT_MAX])
{
    return obstacle_to_ready(context, ret_text);
}

int metrics_open(struct daemon *daemon, const struct config *config, struct metrics_http **ret,
                 struct errtext *err)
{
    const struct metrics_http_source source = {.context = daemon,
                                               .open = open_page,
                                               .read = read_page,
                                               .close = close_page,
                                               .why_not_ready = why_not_ready};
    *ret = NULL;
    if (config->metrics_listen == NULL)
        return 0;
    return metrics_http_create(loop_uv(daemon->loop), config->metrics_listen, &source, ret, err);
}

bool metrics_stay(const struct config *old, const struct config *new)
{
    if (old->metrics_listen == NULL || new->metrics_listen == NULL)
        return old->metrics_listen == new->metrics_listen;
    return strcmp(old->metrics_listen, new->metrics_listen) == 0;
}

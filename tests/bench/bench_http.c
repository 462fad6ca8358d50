/*
 * Requests per second and CPU per request over TLS with kept connections, against the server that
 * http.py starts: this program's way (build and sign each ManualBackupInstance, the transport,
 * judge each reply), and a bare curl-multi client that sends one request signed once, again and
 * again, and only looks whether the answer came.
 *
 * The rounds alternate and the medians count. The limiter has no part in it: what is shown is what
 * the stack costs. The figures pass no verdict; a request that is not accepted does.
 *
 * bench_http URL CA_FILE HOST [REQUESTS]
 */
#include "base/reply.h"
#include "engine/model.h"
#include "engine/requests.h"
#include "ports/http_curl.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#define IN_FLIGHT 32
#define ROUNDS 5
#define STAMP (INT64_C(1795489200) * US_PER_SECOND)

static void require(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_http: %s failed\n", what);
    exit(1);
}

struct figures {
    double per_second;
    double cpu_us; /* a request: user and system, of this process */
};

struct watch {
    uint64_t wall;
    struct rusage usage;
};

static struct watch watch_start(void)
{
    struct watch w = {.wall = uv_hrtime()};
    require(getrusage(RUSAGE_SELF, &w.usage) == 0, "getrusage");
    return w;
}

static double cpu_seconds(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec)
           + (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1e-6;
}

static struct figures watch_stop(const struct watch *w, unsigned requests)
{
    struct watch end = watch_start();
    double cpu = cpu_seconds(&end.usage) - cpu_seconds(&w->usage);
    return (struct figures){
        .per_second = requests / ((double)(end.wall - w->wall) * 1e-9),
        .cpu_us = cpu * 1e6 / requests,
    };
}

/* ---- what is sent ---- */

static const struct instance instance = {
    .id = "crs-5a4py64p", .region = "ap-guangzhou", .remark = "nightly", .storage_days = 7};

struct source {
    const char *url;
    const char *host;
    struct requests *requests;
    struct config *config;
    struct keys keys;
};

static void source_init(struct source *s, const char *url, const char *host)
{
    memset(s, 0, sizeof *s);
    s->url = url;
    s->host = host;
    require(requests_create(&s->requests, NULL) == 0, "requests_create");
    require(config_create(&s->config) == 0, "config_create");
    (void)snprintf(s->keys.id, sizeof s->keys.id, "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE");
    require(secret_set(&s->keys.key, "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", 32) == 0, "secret_set");
    s->keys.generation = 1;
}

static void source_finish(struct source *s)
{
    requests_destroy(s->requests);
    config_unref(s->config);
    secret_finish(&s->keys.key);
}

static void source_next(struct source *s, uint64_t number, struct transport_request *ret)
{
    /* The stamp moves as it would at 20 a second. */
    struct wall stamp = {STAMP + (int64_t)number * (US_PER_SECOND / 20)};
    require(requests_backup(s->requests, s->config, s->url, s->host, &instance, "crsbackupd:bench",
                            &s->keys, stamp, ret, NULL)
                == 0,
            "requests_backup");
    ret->ticket = number;
}

/* ---- this program's way ---- */

struct ours {
    uv_loop_t loop;
    struct http_curl *http;
    struct transport transport;
    struct source *source;
    unsigned wanted;
    unsigned sent;
    unsigned accepted;
    unsigned on_wire;
    bool closed;
};

static void on_wire(void *context, uint64_t ticket, struct mono at)
{
    struct ours *o = context;
    (void)ticket;
    (void)at;
    o->on_wire++;
}

static void on_outcome(void *context, uint64_t ticket, const struct exchange *exchange,
                       struct mono at)
{
    struct ours *o = context;
    struct verdict verdict;
    (void)ticket;
    (void)at;
    reply_judge(exchange, &verdict);
    if (verdict.class != VERDICT_ACCEPTED)
        (void)fprintf(stderr, "%s: %s\n", verdict_class_name(verdict.class), verdict.message);
    require(verdict.class == VERDICT_ACCEPTED && verdict.task_id == 6954227, "a request");
    o->accepted++;
}

static struct mono clock_now(void *unused)
{
    (void)unused;
    return (struct mono){(int64_t)uv_hrtime()};
}

static void ours_fill(struct ours *o)
{
    while (o->sent < o->wanted && http_curl_in_flight(o->http) < IN_FLIGHT) {
        struct transport_request request;
        source_next(o->source, o->sent, &request);
        require(o->transport.send(o->transport.context, &request, NULL) == 0, "send");
        o->sent++;
    }
}

static struct figures ours_round(struct ours *o, unsigned requests)
{
    struct watch watch = watch_start();
    o->wanted = requests;
    o->sent = o->accepted = o->on_wire = 0;
    while (o->accepted < requests) {
        ours_fill(o);
        if (o->accepted < requests)
            (void)uv_run(&o->loop, UV_RUN_ONCE);
    }
    require(o->on_wire == requests, "on_wire");
    return watch_stop(&watch, requests);
}

static void on_closed(void *context)
{
    struct ours *o = context;
    o->closed = true;
}

static void ours_init(struct ours *o, struct source *source, const char *ca_file)
{
    const struct http_options options = {
        .ca_file = ca_file, .user_agent = "crsbackupd/0", .max_in_flight = IN_FLIGHT};
    const struct http_sink sink = {
        .context = o, .on_wire = on_wire, .outcome = on_outcome, .clock = clock_now};
    struct errtext err = {""};
    memset(o, 0, sizeof *o);
    o->source = source;
    require(uv_loop_init(&o->loop) == 0, "uv_loop_init");
    require(http_curl_create(&o->loop, &options, &sink, &o->http, &err) == 0, err.text);
    o->transport = http_curl_transport(o->http);
}

static void ours_finish(struct ours *o)
{
    http_curl_close(o->http, on_closed, o);
    (void)uv_run(&o->loop, UV_RUN_DEFAULT);
    require(o->closed, "close");
    http_curl_destroy(o->http);
    require(uv_loop_close(&o->loop) == 0, "uv_loop_close");
}

/* ---- the bare client ---- */

struct bare {
    CURLM *multi;
    CURL *easy[IN_FLIGHT];
    struct curl_slist *headers;
    char *body;
};

static size_t discard(char *bytes, size_t one, size_t count, void *unused)
{
    (void)bytes;
    (void)unused;
    return one * count;
}

static void bare_init(struct bare *b, struct source *source, const char *ca_file)
{
    struct transport_request request;
    source_next(source, 0, &request);
    memset(b, 0, sizeof *b);
    b->multi = curl_multi_init();
    b->body = strndup(request.body, request.body_length);
    for (size_t i = 0; i < request.header_count; i++) {
        char line[2048];
        (void)snprintf(line, sizeof line, "%s: %s", request.headers[i].name,
                       request.headers[i].value);
        b->headers = curl_slist_append(b->headers, line);
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        CURL *e = b->easy[i] = curl_easy_init();
        require(e != NULL, "curl_easy_init");
        (void)curl_easy_setopt(e, CURLOPT_URL, request.url);
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, ca_file);
        (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
        (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, b->headers);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, b->body);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)request.body_length);
        (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, discard);
        (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 30000L);
    }
}

static unsigned bare_collect(struct bare *b, unsigned *sent, unsigned wanted)
{
    unsigned done = 0;
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(b->multi, &left)) != NULL) {
        CURL *e = message->easy_handle;
        require(message->data.result == CURLE_OK, "a bare request");
        (void)curl_multi_remove_handle(b->multi, e);
        done++;
        if (*sent < wanted) {
            (void)curl_multi_add_handle(b->multi, e);
            (*sent)++;
        }
    }
    return done;
}

static struct figures bare_round(struct bare *b, unsigned requests)
{
    struct watch watch = watch_start();
    unsigned sent = 0;
    unsigned done = 0;
    for (; sent < IN_FLIGHT && sent < requests; sent++)
        (void)curl_multi_add_handle(b->multi, b->easy[sent]);
    while (done < requests) {
        int running = 0;
        require(curl_multi_perform(b->multi, &running) == CURLM_OK, "curl_multi_perform");
        unsigned now = bare_collect(b, &sent, requests);
        done += now;
        if (now == 0)
            (void)curl_multi_poll(b->multi, NULL, 0, 1000, NULL);
    }
    return watch_stop(&watch, requests);
}

static void bare_finish(struct bare *b)
{
    for (int i = 0; i < IN_FLIGHT; i++)
        curl_easy_cleanup(b->easy[i]);
    (void)curl_multi_cleanup(b->multi);
    curl_slist_free_all(b->headers);
    free(b->body);
}

/* ---- side by side ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof values[0], by_value);
    return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    require(argc == 4 || argc == 5, "usage: bench_http URL CA_FILE HOST [REQUESTS]; that");
    unsigned requests = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 20000;
    double rate[2][ROUNDS];
    double cpu[2][ROUNDS];
    struct source source;
    struct ours ours;
    struct bare bare;
    source_init(&source, argv[1], argv[3]);
    ours_init(&ours, &source, argv[2]);
    bare_init(&bare, &source, argv[2]);
    (void)ours_round(&ours, IN_FLIGHT * 8); /* connections, caches */
    (void)bare_round(&bare, IN_FLIGHT * 8);
    for (int i = 0; i < ROUNDS; i++) {
        struct figures a = ours_round(&ours, requests);
        struct figures b = bare_round(&bare, requests);
        rate[0][i] = a.per_second;
        rate[1][i] = b.per_second;
        cpu[0][i] = a.cpu_us;
        cpu[1][i] = b.cpu_us;
        (void)printf("round %d: crsbackupd %.0f/s, %.1f us; bare %.0f/s, %.1f us\n", i + 1,
                     a.per_second, a.cpu_us, b.per_second, b.cpu_us);
    }
    double ours_cpu = median(cpu[0]);
    double bare_cpu = median(cpu[1]);
    (void)printf("requests a round: %u, in flight: %d\n", requests, IN_FLIGHT);
    (void)printf("crsbackupd: %.0f requests/s, %.1f us CPU a request\n", median(rate[0]), ours_cpu);
    (void)printf("bare curl multi: %.0f requests/s, %.1f us CPU a request\n", median(rate[1]),
                 bare_cpu);
    (void)printf("CPU ratio: %.2f\n", ours_cpu / bare_cpu);
    bare_finish(&bare);
    ours_finish(&ours);
    source_finish(&source);
    return 0;
}

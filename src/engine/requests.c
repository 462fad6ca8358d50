/*
 * See requests.h. Content-Type and Host are the signed headers, as the official SDKs sign; the Host
 * header is the one that goes out. The stamp is taken when the token is there, never before.
 */
#include "engine/requests.h"

#include "base/text.h"
#include "engine/tag.h"
#include "version.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAMP_MAX 24
#define SIGNED_HEADERS 2 /* the first two of the list */

struct requests {
    struct tc3 *tc3;
    struct tc3_signature signature;
    char stamp[STAMP_MAX];
    char body[REQUESTS_BODY_MAX];
    struct tc3_header headers[TRANSPORT_HEADERS_MAX];
};

int requests_create(struct requests **ret, struct errtext *err)
{
    struct requests *requests = calloc(1, sizeof *requests);
    if (requests == NULL)
        return -ENOMEM;
    int r = tc3_create(&requests->tc3, err);
    if (r < 0) {
        free(requests);
        return r;
    }
    *ret = requests;
    return 0;
}

void requests_destroy(struct requests *requests)
{
    if (requests == NULL)
        return;
    tc3_destroy(requests->tc3);
    free(requests);
}

static int build_body(struct requests *requests, const struct instance *instance, const char *tag,
                      size_t *ret)
{
    struct text body = text_over(requests->body, sizeof requests->body);
    text_add(&body, "{\"InstanceId\":");
    text_add_json(&body, instance->id, strlen(instance->id));
    char remark[MODEL_REMARK_MAX + TAG_MAX + 2];
    struct text whole = text_over(remark, sizeof remark);
    text_add(&whole, tag); /* first: what may be cut off is the text */
    if (instance->remark[0] != '\0' && tag[0] != '\0')
        text_add_char(&whole, ' ');
    text_add(&whole, instance->remark);
    if (whole.cut)
        return -E2BIG;
    if (whole.length > 0) {
        text_add(&body, ",\"Remark\":");
        text_add_json(&body, remark, whole.length);
    }
    if (instance->storage_days > 0)
        text_addf(&body, ",\"StorageDays\":%" PRId32, instance->storage_days);
    text_add_char(&body, '}');
    *ret = body.length;
    return body.cut ? -E2BIG : 0;
}

static size_t fill_headers(struct requests *requests, const struct config *config, const char *host,
                           const char *action, const char *region, const struct keys *keys)
{
    struct tc3_header *h = requests->headers;
    size_t n = 0;
    h[n++] = (struct tc3_header){"Content-Type", "application/json"};
    h[n++] = (struct tc3_header){"Host", host};
    h[n++] = (struct tc3_header){"Authorization", requests->signature.authorization};
    h[n++] = (struct tc3_header){"X-TC-Action", action};
    h[n++] = (struct tc3_header){"X-TC-Version", REQUESTS_API_VERSION};
    h[n++] = (struct tc3_header){"X-TC-Timestamp", requests->stamp};
    h[n++] = (struct tc3_header){"X-TC-Region", region};
    h[n++] = (struct tc3_header){"X-TC-Language", config->language};
    h[n++] = (struct tc3_header){"X-TC-RequestClient", "crsbackupd_" CRSBACKUPD_VERSION};
    if (keys->token.length > 0)
        h[n++] = (struct tc3_header){"X-TC-Token", keys->token.bytes};
    return n;
}

/* The body stands in requests->body. */
static int finish(struct requests *requests, const struct config *config, const char *url,
                  const char *host, const char *action, const char *region, size_t body_length,
                  const struct keys *keys, struct wall stamp, struct transport_request *ret,
                  struct errtext *err)
{
    int64_t second = wall_seconds(stamp);
    (void)snprintf(requests->stamp, sizeof requests->stamp, "%" PRId64, second);
    size_t count = fill_headers(requests, config, host, action, region, keys);
    const struct tc3_request to_sign = {
        .method = "POST",
        .query = "",
        .service = REQUESTS_SERVICE,
        .timestamp = second,
        .headers = requests->headers,
        .header_count = SIGNED_HEADERS,
        .body = requests->body,
        .body_length = body_length,
        .key_generation = keys->generation,
    };
    int r = tc3_sign(requests->tc3, &to_sign, keys->id, &keys->key, &requests->signature, err);
    if (r < 0)
        return r;
    *ret = (struct transport_request){
        .url = url,
        .headers = requests->headers,
        .header_count = count,
        .body = requests->body,
        .body_length = body_length,
        .connect_timeout_us = config->connect_timeout_us,
        .timeout_us = config->timeout_us,
    };
    return 0;
}

int requests_backup(struct requests *requests, const struct config *config, const char *url,
                    const char *host, const struct instance *instance, const char *tag,
                    const struct keys *keys, struct wall stamp, struct transport_request *ret,
                    struct errtext *err)
{
    size_t body_length;
    int r = build_body(requests, instance, tag, &body_length);
    if (r < 0)
        return errtext_set(err, r, "the remark does not fit into a request");
    return finish(requests, config, url, host, "ManualBackupInstance", instance->region,
                  body_length, keys, stamp, ret, err);
}

int requests_query(struct requests *requests, const struct config *config, const char *url,
                   const char *host, const char *action, const char *region, const char *body,
                   const struct keys *keys, struct wall stamp, struct transport_request *ret,
                   struct errtext *err)
{
    struct text t = text_over(requests->body, sizeof requests->body);
    text_add(&t, body);
    return finish(requests, config, url, host, action, region, t.length, keys, stamp, ret, err);
}

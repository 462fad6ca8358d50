/*
 * STS: the request for a role's keys, and what comes back. The signature is of the service "sts";
 * the stamp is taken when the request leaves, corrected by what an earlier refusal told of the
 * cloud's clock.
 */
#include "base/text.h"
#include "ports/credentials_remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STS_VERSION "2018-08-13"
#define SIGNED_HEADERS 2 /* the first two of the list */

int sts_frame(const char *url, const char *region, const char *action, struct wall stamp,
              struct remote_question *ret, struct errtext *err)
{
    struct text t = text_over(ret->url, sizeof ret->url);
    text_add(&t, url);
    struct text place = text_over(ret->region, sizeof ret->region);
    text_add(&place, region);
    const char *host = strstr(ret->url, "://");
    struct text name = text_over(ret->host, sizeof ret->host);
    if (host != NULL)
        text_add_bytes(&name, host + 3, strcspn(host + 3, "/"));
    if (t.cut || place.cut || name.cut || name.length == 0)
        return errtext_set(err, -EINVAL, "the URL or the region of STS is not one");
    (void)snprintf(ret->stamp, sizeof ret->stamp, "%" PRId64, wall_seconds(stamp));
    struct tc3_header *h = ret->headers;
    size_t n = 0;
    h[n++] = (struct tc3_header){"Content-Type", "application/json"};
    h[n++] = (struct tc3_header){"Host", ret->host};
    h[n++] = (struct tc3_header){"X-TC-Action", action};
    h[n++] = (struct tc3_header){"X-TC-Version", STS_VERSION};
    h[n++] = (struct tc3_header){"X-TC-Timestamp", ret->stamp};
    h[n++] = (struct tc3_header){"X-TC-Region", ret->region};
    h[n++] = (struct tc3_header){"X-TC-Language", "en-US"};
    ret->request = (struct transport_request){
        .url = ret->url,
        .headers = h,
        .header_count = n,
        .body = ret->body,
        .body_length = strlen(ret->body),
        .connect_timeout_us = STS_CONNECT_US,
        .timeout_us = STS_TIMEOUT_US,
        .brings_keys = true,
    };
    return 0;
}

int sts_ask_role(const struct credentials_settings *settings, const struct found_keys *source,
                 struct tc3 *tc3, struct wall stamp, struct remote_question *ret,
                 struct errtext *err)
{
    struct text body = text_over(ret->body, sizeof ret->body);
    text_add(&body, "{\"RoleArn\":");
    text_add_json(&body, settings->role_arn, strlen(settings->role_arn));
    text_add(&body, ",\"RoleSessionName\":");
    text_add_json(&body, settings->role_session_name, strlen(settings->role_session_name));
    text_addf(&body, ",\"DurationSeconds\":%" PRId64 "}", settings->duration_us / US_PER_SECOND);
    if (body.cut)
        return errtext_set(err, -EINVAL, "role_arn is too long");
    int outcome = sts_frame(settings->sts_url, settings->sts_region, "AssumeRole", stamp, ret, err);
    if (outcome != 0)
        return outcome;
    const struct tc3_request to_sign = {
        .method = "POST",
        .query = "",
        .service = "sts",
        .timestamp = wall_seconds(stamp),
        .headers = ret->headers,
        .header_count = SIGNED_HEADERS,
        .body = ret->body,
        .body_length = body.length,
    };
    outcome = tc3_sign(tc3, &to_sign, source->id, &source->key, &ret->signature, err);
    if (outcome != 0)
        return outcome;
    size_t n = ret->request.header_count;
    ret->headers[n++] = (struct tc3_header){"Authorization", ret->signature.authorization};
    if (source->token.length > 0)
        ret->headers[n++] = (struct tc3_header){"X-TC-Token", source->token.bytes};
    ret->request.header_count = n;
    return 0;
}

int sts_take(const struct exchange *exchange, struct found_keys *ret, struct errtext *err)
{
    if (exchange->kind != EXCHANGE_ANSWERED)
        return errtext_set(err, -EIO, "STS: %.200s", exchange->error);
    if (exchange->http_status != 200)
        return errtext_set(err, -EIO, "STS answers HTTP %d", exchange->http_status);
    int outcome = credentials_sts_parse(exchange->body, exchange->body_length, ret, err);
    return outcome == 0 ? 0 : errtext_prefix(err, outcome, "STS");
}

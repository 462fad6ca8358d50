/*
 * The identity of a pod on TKE: the cluster gives it four variables and a token in a file, which it
 * replaces now and then, so the file is read anew for each round. The token is the proof: nothing
 * is signed.
 */
#include "base/text.h"
#include "ports/credentials_remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_HERE 512 /* of the role and of the provider */

enum variable {
    TKE_REGION,
    TKE_PROVIDER_ID,
    TKE_TOKEN_FILE,
    TKE_ROLE_ARN,
    TKE_VARIABLES,
};

static const char *const names[TKE_VARIABLES] = {
    [TKE_REGION] = "TKE_REGION",
    [TKE_PROVIDER_ID] = "TKE_PROVIDER_ID",
    [TKE_TOKEN_FILE] = "TKE_WEB_IDENTITY_TOKEN_FILE",
    [TKE_ROLE_ARN] = "TKE_ROLE_ARN",
};

static int read_variables(const char *ret[TKE_VARIABLES], struct errtext *err)
{
    for (size_t i = 0; i < TKE_VARIABLES; i++) {
        ret[i] = getenv(names[i]);
        if (ret[i] == NULL || ret[i][0] == '\0')
            return errtext_set(err, SOURCE_ABSENT, "%s is not set", names[i]);
        if (i != TKE_TOKEN_FILE && strlen(ret[i]) > NAME_MAX_HERE)
            return errtext_set(err, -EINVAL, "%s is longer than %d bytes", names[i], NAME_MAX_HERE);
    }
    return 0;
}

bool oidc_is_here(void)
{
    const char *values[TKE_VARIABLES];
    return read_variables(values, NULL) == 0;
}

static int add_token(const char *path, struct text *body, struct errtext *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int outcome = key_file_read(path, KEY_FILE_OF_CLUSTER, &bytes, &length, err);
    if (outcome != 0)
        return outcome > 0 ? -ENOENT : outcome;
    size_t used = length;
    while (used > 0 && (bytes[used - 1] == '\n' || bytes[used - 1] == '\r'))
        used--;
    if (used == 0)
        outcome = errtext_set(err, -EINVAL, "%.200s is empty", path);
    else if (used > WEB_TOKEN_MAX)
        outcome = errtext_set(err, -EFBIG, "%.200s is longer than %d bytes", path, WEB_TOKEN_MAX);
    for (size_t i = 0; outcome == 0 && i < used; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            outcome = errtext_set(err, -EINVAL, "%.200s is not one token on a line", path);
    if (outcome == 0)
        text_add_json(body, bytes, used);
    key_file_release(bytes);
    return outcome;
}

int oidc_ask(const struct credentials_settings *settings, struct wall stamp,
             struct remote_question *ret, struct errtext *err)
{
    const char *values[TKE_VARIABLES];
    int outcome = read_variables(values, err);
    if (outcome != 0)
        return outcome;
    struct text body = text_over(ret->body, sizeof ret->body);
    text_add(&body, "{\"ProviderId\":");
    text_add_json(&body, values[TKE_PROVIDER_ID], strlen(values[TKE_PROVIDER_ID]));
    text_add(&body, ",\"RoleArn\":");
    text_add_json(&body, values[TKE_ROLE_ARN], strlen(values[TKE_ROLE_ARN]));
    text_add(&body, ",\"RoleSessionName\":");
    text_add_json(&body, settings->role_session_name, strlen(settings->role_session_name));
    text_addf(&body, ",\"DurationSeconds\":%" PRId64 ",\"WebIdentityToken\":",
              settings->duration_us / US_PER_SECOND);
    outcome = add_token(values[TKE_TOKEN_FILE], &body, err);
    text_add_char(&body, '}');
    if (outcome != 0)
        return outcome;
    if (body.cut)
        return errtext_set(err, -EINVAL, "the variables of TKE are too long");
    outcome = sts_frame(settings->sts_url, values[TKE_REGION], "AssumeRoleWithWebIdentity", stamp,
                        ret, err);
    if (outcome == 0)
        ret->headers[ret->request.header_count++] = (struct tc3_header){"Authorization", "SKIP"};
    return outcome;
}

/*
 * See reply.h: the codes that a request can end in, the class of each, and what it means to people.
 *
 * A code is looked up whole, then by its first part; what is found by neither is ambiguous. What
 * the daemon does follows from the class alone, so it is said once a class.
 *
 * The classes answer one question: what would a second send do? HTTP.<status> rows are statuses
 * that a gateway or proxy gives before the API has seen the request, or that people meet often;
 * every other status leaves open whether the API has, and falls to the row "HTTP".
 */
#include "base/reply.h"

#include "base/text.h"

#include <assert.h>
#include <string.h>

struct row {
    const char *code;
    enum verdict_class class;
    const char *meaning;
    const char *person;
};

/* Meaning and remedy of every redirect. */
#define REDIRECTED                                                                                 \
    "The endpoint answers with a redirect, which the API never does; redirects are not followed.", \
        "Correct the endpoint: it must be the API's own host with https://. A captive portal or "  \
        "proxy may be in between."

static const struct row rows[] = {
    /* Ours. */
    {"Client.NotSent", VERDICT_NOT_SENT,
     "No byte of the request left this host: the name was not resolved, the connection was refused "
     "or timed out, or TLS failed.",
     "Look at the message. Check DNS, the route and the firewall to the endpoint's port 443, the "
     "proxy setting, and tls.ca_file if the certificate was refused."},
    {"Client.Lost", VERDICT_AMBIGUOUS,
     "The request left, or may have, and no whole answer came: a time-out, or the connection "
     "broke.",
     "Usually nothing at once. If it goes on, check the network path and raise requests.timeout. "
     "To see for yourself, open the instance's task list in the console."},
    {"Client.BadReply", VERDICT_AMBIGUOUS,
     "An answer came with HTTP status 200 that is not one of the API: not JSON, cut short, without "
     "a usable TaskId, or contradicting itself.",
     "Check that the endpoint is the API and that no proxy or portal answers in its place. Give "
     "the request id, if there is one, to the vendor's support."},
    {"Client", VERDICT_AMBIGUOUS, "The request failed on this side of the network.",
     "Look at the message in the log."},

    /* The gateway's or a proxy's. */
    {"HTTP", VERDICT_AMBIGUOUS,
     "A gateway answered in the API's place with this HTTP status; whether the API had seen the "
     "request is not known.",
     "With 5xx wait: the vendor's gateway or a proxy is in trouble. If it lasts, look at the "
     "vendor's status page and at your proxy's log."},
    {"HTTP.408", VERDICT_AMBIGUOUS, "The gateway waited too long for the request or for the API.",
     "If it lasts, check the network path, and for a proxy that holds requests back."},
    {"HTTP.500", VERDICT_AMBIGUOUS, "The gateway failed inside; the API may have seen the request.",
     "Wait. If it lasts, look at the vendor's status page and at your proxy's log."},
    {"HTTP.502", VERDICT_AMBIGUOUS,
     "The gateway got no proper answer from the API, which may have seen the request.",
     "Wait. If it lasts, look at the vendor's status page and at your proxy's log."},
    {"HTTP.503", VERDICT_AMBIGUOUS,
     "The gateway is overloaded or in maintenance; the API may have seen the request.",
     "Wait. If it lasts, look at the vendor's status page and at your proxy's log."},
    {"HTTP.504", VERDICT_AMBIGUOUS,
     "The gateway waited in vain for the API, which may be carrying the request out.",
     "Wait. If it lasts, look at the vendor's status page and at your proxy's log."},
    {"HTTP.301", VERDICT_FINAL, REDIRECTED},
    {"HTTP.302", VERDICT_FINAL, REDIRECTED},
    {"HTTP.307", VERDICT_FINAL, REDIRECTED},
    {"HTTP.308", VERDICT_FINAL, REDIRECTED},
    {"HTTP.400", VERDICT_FINAL, "The gateway did not understand the request.",
     "Check the endpoint and the proxy: plain HTTP may be spoken to a TLS port, or a proxy may be "
     "changing requests."},
    {"HTTP.401", VERDICT_FINAL, "Something before the API asks for a login of its own.",
     "The API itself never answers so: correct the endpoint, or exempt this host from the proxy's "
     "login."},
    {"HTTP.403", VERDICT_FINAL, "A gateway, firewall or proxy forbids the request.",
     "Ask who runs the proxy or firewall to let this host reach the endpoint. The API tells "
     "missing permissions in another way (UnauthorizedOperation)."},
    {"HTTP.404", VERDICT_FINAL, "The host is there but does not serve the API.",
     "Correct the endpoint."},
    {"HTTP.405", VERDICT_FINAL, "The host does not accept POST: it is not the API.",
     "Correct the endpoint."},
    {"HTTP.407", VERDICT_FINAL, "The proxy wants credentials.",
     "Put them into the proxy's URL, or exempt this host."},
    {"HTTP.411", VERDICT_FINAL, "A proxy wants a length of the body in another form.",
     "Exempt the endpoint from that proxy, or have it corrected."},
    {"HTTP.413", VERDICT_FINAL, "A gateway finds the request too large.",
     "Shorten the remark; if it is short, a proxy is set too narrow."},
    {"HTTP.414", VERDICT_FINAL, "A gateway finds the address of the request too long.",
     "Correct the endpoint."},
    {"HTTP.415", VERDICT_FINAL, "The host does not take JSON: it is not the API.",
     "Correct the endpoint."},
    {"HTTP.421", VERDICT_FINAL, "The request reached a server that does not serve this host name.",
     "Correct the endpoint, or the name that a private address is given in DNS."},
    {"HTTP.429", VERDICT_THROTTLED,
     "A gateway or proxy turned the request away because too many come.",
     "If it lasts, lower rate_limit.per_second, or find what else sends through the same gateway "
     "or with the same account."},
    {"HTTP.431", VERDICT_FINAL, "A gateway finds the request's headers too large.",
     "A session token makes them large: have the proxy's limit raised to 16 KB."},
    {"HTTP.451", VERDICT_FINAL, "A gateway refuses the request for legal reasons.",
     "Ask who runs the gateway."},

    /* The clock. */
    {"AuthFailure.SignatureExpire", VERDICT_CLOCK,
     "The request's time stamp is more than five minutes away from the cloud's clock.",
     "Set this host's clock: check that chronyd or systemd-timesyncd runs and is synchronised "
     "(timedatectl)."},

    /* Throttled. */
    {"RequestLimitExceeded", VERDICT_THROTTLED,
     "More requests than the limit reached this action in one second. The account's other "
     "programs, the console and tccli count too.",
     "Nothing if it passes. If it lasts, lower rate_limit.per_second to leave the others room, or "
     "ask the vendor for a higher limit."},
    {"RequestLimitExceeded.GlobalRegionUinLimitExceeded", VERDICT_THROTTLED,
     "The main account sent more requests than its limit over all regions.",
     "Find what else calls the API with this account, lower rate_limit.per_second, or ask the "
     "vendor for a higher limit."},
    {"RequestLimitExceeded.IPLimitExceeded", VERDICT_THROTTLED,
     "More requests than the limit came from this IP address.",
     "Other hosts behind the same NAT count too: lower rate_limit.per_second, or send from another "
     "address."},
    {"RequestLimitExceeded.UinLimitExceeded", VERDICT_THROTTLED,
     "The main account sent more requests than its limit.",
     "Find what else calls the API with this account, lower rate_limit.per_second, or ask the "
     "vendor for a higher limit."},

    /* Busy: refused without effect, later it may work. */
    {"ResourceInUse", VERDICT_BUSY, "The instance is in use by another operation.",
     "Nothing if it passes. If it lasts, look at the instance's task list in the console for what "
     "holds it."},
    {"ResourceInsufficient", VERDICT_BUSY, "The cloud lacks resources for the operation just now.",
     "Nothing if it passes. If it lasts, check the region's capacity and the account's quota with "
     "the vendor."},
    {"ResourceUnavailable", VERDICT_BUSY, "The instance cannot take the operation just now.",
     "Nothing if it passes. If it lasts, look at the instance's state and task list in the "
     "console."},
    {"ResourceUnavailable.InstanceLockedError", VERDICT_BUSY,
     "The instance is locked by another task: a backup, a scaling, a migration.",
     "Nothing if it passes. If every night is late, move the schedule away from the automatic "
     "backup's hour. A task that holds the lock for hours: look at the task list in the console."},
    {"ResourceUnavailable.InstanceStateError", VERDICT_BUSY,
     "The instance is in a state in which it cannot be backed up, such as starting or being "
     "changed.",
     "Nothing if it passes. If it lasts, look at the instance's state in the console."},
    {"ResourceUnavailable.InstanceStatusAbnormal", VERDICT_BUSY,
     "The instance's status is abnormal: it is being changed, or is not running.",
     "Nothing if it passes. If it lasts, look at the instance in the console; an instance that "
     "stays abnormal is a case for the vendor's support."},
    {"ResourceUnavailable.InstanceStatusError", VERDICT_BUSY,
     "The instance's status does not allow the operation.",
     "Nothing if it passes. If it lasts, look at the instance's status in the console."},
    {"ServiceUnavailable", VERDICT_BUSY,
     "The service is not available for the moment and took nothing on.",
     "Wait. If it lasts, look at the vendor's status page."},

    /* Ambiguous: a backup may have started. */
    {"InternalError", VERDICT_AMBIGUOUS,
     "The cloud failed inside; it does not say whether it had started the backup.",
     "Look at the instance's task list for the time of the slot. If it happens again, give the "
     "request id to the vendor's support."},
    {"InternalError.InternalError", VERDICT_AMBIGUOUS,
     "The Redis service failed inside; it does not say whether it had started the backup.",
     "Look at the instance's task list for the time of the slot. If it happens again, give the "
     "request id to the vendor's support."},
    {"FailedOperation", VERDICT_AMBIGUOUS,
     "The operation failed at a point that the code does not tell; a backup may have started.",
     "Read the message. Look at the instance's task list for the time of the slot."},
    {"FailedOperation.CommitFlowError", VERDICT_AMBIGUOUS,
     "The cloud could not hand the backup to its task system, or did not learn that it had.",
     "Look at the instance's task list for the time of the slot: if no manual backup stands there, "
     "start one."},
    {"FailedOperation.ServiceAccessError", VERDICT_AMBIGUOUS,
     "One of the cloud's services did not reach another; a backup may have started.",
     "Look at the instance's task list for the time of the slot. If it lasts, ask the vendor's "
     "support."},
    {"FailedOperation.SystemError", VERDICT_AMBIGUOUS,
     "The cloud's system failed in the middle of the operation; a backup may have started.",
     "Look at the instance's task list for the time of the slot. If it lasts, give the request id "
     "to the vendor's support."},
    {"ResponseSizeLimitExceeded", VERDICT_AMBIGUOUS,
     "The operation was carried out, but its answer is larger than the gateway lets through.",
     "A backup's answer is tiny: give the request id to the vendor's support."},

    /* Final: credentials and permissions. */
    {"AuthFailure", VERDICT_FINAL, "The cloud does not accept who the request says it is from.",
     "Read the message; check the secret id, the secret key and, with temporary keys, the token."},
    {"AuthFailure.InvalidAuthorization", VERDICT_FINAL,
     "The Authorization header is not in the form that the API asks for.",
     "A proxy may be changing headers; the secret id may hold characters that it should not."},
    {"AuthFailure.InvalidSecretId", VERDICT_FINAL,
     "The secret id is not one of an API key of this cloud.",
     "Check TENCENTCLOUD_SECRET_ID or secret_id in the credentials file: it begins with AKID. Mind "
     "which site, national or international, key and endpoint belong to."},
    {"AuthFailure.MFAFailure", VERDICT_FINAL,
     "The account asks for a second factor, which a program cannot give.",
     "Use a CAM sub-account or role without MFA for API calls."},
    {"AuthFailure.SecretIdNotFound", VERDICT_FINAL,
     "The API key does not exist any more, or is disabled.",
     "Look at the keys in the CAM console; make a new one or enable it, then put it where the "
     "daemon reads its credentials."},
    {"AuthFailure.SignatureFailure", VERDICT_FINAL,
     "The signature does not fit: most often the secret key is not that of the secret id.",
     "Check the secret key (no blank or line end copied along). If it is right, a proxy may be "
     "changing the host, content type or body. `crsbackupctl sign` shows what is signed."},
    {"AuthFailure.TokenFailure", VERDICT_FINAL,
     "The session token of the temporary keys is wrong or has expired.",
     "Check that token and keys come from the same answer and that their source is refreshed; "
     "permanent keys have no token at all."},
    {"AuthFailure.UnauthorizedOperation", VERDICT_FINAL, "The account of this key may not do this.",
     "In CAM allow the key's user or role redis:ManualBackupInstance on the instance."},
    {"UnauthorizedOperation", VERDICT_FINAL,
     "The key's user or role may not do this on this instance.",
     "In CAM allow it redis:ManualBackupInstance on the instance; the message names the resource."},
    {"UnauthorizedOperation.NoCAMAuthed", VERDICT_FINAL,
     "CAM has not granted the key's user or role this action on this instance.",
     "In CAM allow it redis:ManualBackupInstance on the instance."},
    {"InvalidParameter.PermissionDenied", VERDICT_FINAL,
     "A permission is missing: in spite of its name no parameter is wrong.",
     "In CAM allow the key's user or role redis:ManualBackupInstance on the instance; check that "
     "the instance belongs to this account."},
    {"IpInBlacklist", VERDICT_FINAL, "This host's public IP address is on the account's deny list.",
     "Take it off the list in the console, or send from another address."},
    {"IpNotInWhitelist", VERDICT_FINAL,
     "This host's public IP address is not on the account's allow list.",
     "Put the address that the cloud sees (of the NAT, if there is one) on the list in the "
     "console."},

    /* Final: the instance. */
    {"ResourceNotFound", VERDICT_FINAL, "The cloud does not know the instance.",
     "Check the instance id and its region in the configuration."},
    {"ResourceNotFound.InstanceNotExists", VERDICT_FINAL,
     "There is no such instance in this region and account.",
     "Check the id and the region. If the instance was deleted, take it out of the schedules. A "
     "finance region needs its own host: a region ending in -fsi."},
    {"ResourceUnavailable.InstanceDeleted", VERDICT_FINAL, "The instance has been deleted.",
     "Take it out of the schedules."},
    {"ResourceUnavailable.InstanceIsolated", VERDICT_FINAL,
     "The instance is isolated, most often because it was not paid for or was terminated; it is "
     "deleted after some days.",
     "Renew it in the console soon if its data matters; else take it out of the schedules."},
    {"LimitExceeded", VERDICT_FINAL,
     "A quota of the account or instance is used up, such as the number of manual backups.",
     "Read the message for which quota. Delete what is not needed, back up less often, lower "
     "storage_days, or ask for more."},

    /* Final: the request. */
    {"ActionOffline", VERDICT_FINAL, "The cloud has taken this action out of service.",
     "Look for a newer release of this program, and at the vendor's notices."},
    {"DryRunOperation", VERDICT_FINAL,
     "The request would have worked, but was only a trial: no backup was made.",
     "Something in between adds DryRun to the request, since this program never asks for it: look "
     "at the proxy."},
    {"InvalidAction", VERDICT_FINAL, "The endpoint does not know the action.",
     "Check that the endpoint is one of the Redis service (redis...)."},
    {"InvalidParameter", VERDICT_FINAL, "A parameter of the request is wrong.",
     "Read the message; check the instance's id, remark and storage_days."},
    {"InvalidParameter.InvalidParameter", VERDICT_FINAL, "A parameter of the request is wrong.",
     "Read the message; check the instance's id, remark and storage_days (above 7 the vendor must "
     "have allowed it)."},
    {"InvalidParameterValue", VERDICT_FINAL,
     "A parameter has a value that the cloud does not take.",
     "Read the message; check storage_days (above 7 the vendor must have allowed it), the remark "
     "and the instance's id."},
    {"InvalidRequest", VERDICT_FINAL, "The request is not in the form that the API asks for.",
     "A proxy may be changing the body; correct the endpoint or exempt it from the proxy."},
    {"MissingParameter", VERDICT_FINAL, "The request lacks a parameter.",
     "Look for a newer release of this program: the API has changed."},
    {"NoSuchProduct", VERDICT_FINAL, "The endpoint does not know the product.",
     "Check that the endpoint is one of the Redis service (redis...)."},
    {"NoSuchVersion", VERDICT_FINAL, "The endpoint does not know the API version 2018-04-12.",
     "Check that the endpoint is one of the Redis service (redis...); else look for a newer "
     "release of this program."},
    {"RequestSizeLimitExceeded", VERDICT_FINAL, "The request is larger than the gateway takes.",
     "Shorten the remark."},
    {"UnknownParameter", VERDICT_FINAL, "The request has a parameter that the API does not know.",
     "Look for a newer release of this program: the API has changed."},
    {"UnsupportedOperation", VERDICT_FINAL, "This instance cannot be backed up in this way.",
     "Read the message; the instance's edition or engine version may have no manual backup. Take "
     "it out of the schedules if so."},
    {"UnsupportedProtocol", VERDICT_FINAL,
     "The endpoint does not take this protocol; it wants HTTPS and POST.",
     "Check that the endpoint begins with https://."},
    {"UnsupportedRegion", VERDICT_FINAL, "The endpoint does not serve the instance's region.",
     "Check the region's spelling. A finance region (-fsi) and the international site need their "
     "own endpoint."},
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

static_assert(ROW_COUNT <= REPLY_CODES_MAX, "who counts by code has room for all");

static const char *const daemon_actions[] = {
    [VERDICT_ACCEPTED] = "Logs backup_submitted with the task id, and follows the task to its end.",
    [VERDICT_THROTTLED] = "The request was not carried out, so it is sent again after a pause, "
                          "stamped and signed anew, and the pace of this action and host is "
                          "lowered for a while; when start_within is over, backup_failed is "
                          "logged.",
    [VERDICT_CLOCK] = "Learns the difference from the Date header of the reply, stamps and signs "
                      "anew, and sends again.",
    [VERDICT_BUSY] = "The request was refused without effect, so it is sent again after growing "
                     "random delays (event backup_retry); when start_within is over, "
                     "backup_failed is logged.",
    [VERDICT_AMBIGUOUS] = "Does not send again, since that could start a second backup: logs "
                          "backup_unknown with the request id, until it is known what became of "
                          "the first.",
    [VERDICT_NOT_SENT] = "Nothing was sent, so it is tried again after growing random delays "
                         "(event backup_retry); when start_within is over, backup_failed is "
                         "logged.",
    [VERDICT_FINAL] = "Gives this run up and logs backup_failed with the code, the message and "
                      "the request id; the next slot is tried as usual.",
};

static const char keys_action[] =
    "Looks for other keys where they come from a file, systemd or a role, and gives the run "
    "another "
    "attempt when there are some. While the cloud refuses the keys as such, credentials_failed is "
    "logged once and nothing is sent but a probe now and then; runs wait for as long as "
    "start_within lets them, and then backup_failed is logged, or backup_missed of those that "
    "were not sent. Where there can be no other keys, or these serve others, it fails at once.";

static const char *action_of(const struct row *row)
{
    bool of_keys = row->class == VERDICT_FINAL && strncmp(row->code, "AuthFailure", 11) == 0;
    return of_keys ? keys_action : daemon_actions[row->class];
}

static const struct row *find_row(const char *code, size_t length)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strncmp(rows[i].code, code, length) == 0 && rows[i].code[length] == '\0')
            return &rows[i];
    return NULL;
}

/* By the code's first part. The three codes that begin with Unsupported are one family. */
static const struct row *find_family(const char *code)
{
    static const char unsupported[] = "Unsupported";
    const struct row *row = find_row(code, strcspn(code, "."));
    if (row == NULL && strncmp(code, unsupported, sizeof unsupported - 1) == 0)
        row = find_row("UnsupportedOperation", strlen("UnsupportedOperation"));
    return row;
}

enum verdict_class reply_class_of(const char *code)
{
    const struct row *row = find_row(code, strlen(code));
    if (row == NULL)
        row = find_family(code);
    return row != NULL ? row->class : VERDICT_AMBIGUOUS;
}

size_t reply_code_count(void)
{
    return ROW_COUNT;
}

const char *reply_code(size_t index)
{
    return rows[index].code;
}

bool reply_code_find(const char *code, size_t *ret)
{
    const struct row *row = find_row(code, strlen(code));
    if (row == NULL)
        row = find_family(code);
    if (row == NULL)
        return false;
    *ret = (size_t)(row - rows);
    return true;
}

const char *verdict_class_name(enum verdict_class class)
{
    switch (class) {
    case VERDICT_ACCEPTED:
        return "accepted";
    case VERDICT_THROTTLED:
        return "throttled";
    case VERDICT_CLOCK:
        return "clock";
    case VERDICT_BUSY:
        return "busy";
    case VERDICT_AMBIGUOUS:
        return "ambiguous";
    case VERDICT_NOT_SENT:
        return "not_sent";
    case VERDICT_FINAL:
        return "final";
    }
    return "unknown";
}

struct reply_explanation reply_explain(const char *code)
{
    const struct row *exact = find_row(code, strlen(code));
    const struct row *row = exact != NULL ? exact : find_family(code);
    if (row != NULL)
        return (struct reply_explanation){row->meaning, action_of(row), row->person, exact != NULL};
    return (struct reply_explanation){
        "This program does not know the code, nor its first part; so it cannot tell whether the "
        "cloud had started the backup.",
        daemon_actions[VERDICT_AMBIGUOUS],
        "Read the message in the log, look at the instance's task list for the time of the slot, "
        "and look the code up in the vendor's documentation of the Redis API.",
        false};
}

const char *reply_nearest_code(const char *code)
{
    const char *codes[ROW_COUNT];
    for (size_t i = 0; i < ROW_COUNT; i++)
        codes[i] = rows[i].code;
    return text_nearest(code, codes, ROW_COUNT);
}

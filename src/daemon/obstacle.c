/* See obstacle.h. Reads alone; the clock's state is that of the engine's last step. */
#include "daemon/obstacle.h"

#include "base/text.h"
#include "ports/clock_system.h"

static bool have_ended(const struct credentials *credentials)
{
    return !wall_before(clock_now().wall, credentials_end(credentials));
}

static bool lacks_keys(const struct daemon *daemon, struct text *t)
{
    const struct credentials *credentials = daemon->credentials;
    bool are_there = credentials_are_there(credentials);
    if (are_there && !have_ended(credentials))
        return false;
    const char *why = credentials_text(credentials);
    text_add(t, are_there ? "the keys have ended" : "there are no keys yet");
    text_addf(t, "%s%s", why[0] != '\0' ? ": " : "", why);
    return true;
}

bool obstacle_is_there(const struct daemon *daemon, enum obstacle which,
                       char ret_text[OBSTACLE_TEXT_MAX])
{
    struct text t = text_over(ret_text, OBSTACLE_TEXT_MAX);
    const char *word = "";
    switch (which) {
    case OBSTACLE_STOPPING:
        text_add(&t, "stopping");
        return daemon->draining;
    case OBSTACLE_LEDGER:
        text_addf(&t, "the ledger cannot record: %s", daemon->ledger_text);
        return daemon->ledger_text[0] != '\0';
    case OBSTACLE_CLOCK:
        word = engine_clock_doubt(daemon->engine);
        text_addf(&t, "the clock cannot be believed: %s", word);
        break;
    case OBSTACLE_KEYS:
        return lacks_keys(daemon, &t);
    case OBSTACLE_REFUSED:
        word = engine_keys_rejection(daemon->engine);
        text_addf(&t, "the cloud refuses the keys: %s", word);
        break;
    }
    return word[0] != '\0';
}

bool obstacle_to_ready(const struct daemon *daemon, char ret_text[OBSTACLE_TEXT_MAX])
{
    for (int i = 0; i < OBSTACLE_REFUSED; i++)
        if (obstacle_is_there(daemon, (enum obstacle)i, ret_text))
            return true;
    return false;
}

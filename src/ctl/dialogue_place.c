/* See dialogue_place.h. Nothing is kept of a try that failed but its text. */
#include "ctl/dialogue_place.h"

#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/dialogue_connect.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/crsbackupd/control.sock"

static int name(struct place *place, const char *path, struct errtext *err)
{
    if (path[0] == '\0' || strlen(path) > MODEL_SOCKET_MAX)
        return errtext_set(err, CTL_BAD_DATA, "a socket's path has 1 to %d bytes",
                           MODEL_SOCKET_MAX);
    struct text t = text_over(place->path, sizeof place->path);
    text_add(&t, path);
    return CTL_GO_ON;
}

/* ---- the file ---- */

static void add_first(void *context, const char *line)
{
    struct errtext *err = context;
    if (err->text[0] == '\0')
        (void)errtext_set(err, 0, "%s", line);
}

/* The socket that a configuration file names, by its own words or by default. */
static int name_by_file(struct place *place, const char *file, struct errtext *err)
{
    struct config *config = NULL;
    struct config_report report = {0};
    int r = config_system_load(file, clock_now().wall, &config, &report);
    struct errtext first = {""};
    struct config_report errors = {.errors = report.errors};
    config_report_lines(&errors, file, add_first, &first);
    config_report_finish(&report);
    if (r < 0)
        return errtext_set(err, CTL_FAILED, "%s cannot be loaded: %s", file, strerror(-r));
    if (r != 0)
        return errtext_set(err, CTL_BAD_DATA, "%s; --socket PATH needs no file", first.text);
    int exit_code = name(place, config->control_socket, err);
    config_unref(config);
    return exit_code;
}

int place_connect(const char *socket, const char *config, int64_t timeout_us, struct place *ret,
                  int *ret_fd, struct errtext *err)
{
    if (socket != NULL || config != NULL) {
        int exit_code = socket != NULL ? name(ret, socket, err) : name_by_file(ret, config, err);
        return exit_code != CTL_GO_ON ? exit_code
                                      : dialogue_connect(ret->path, timeout_us, ret_fd, err);
    }
    char own[MODEL_SOCKET_MAX + 32];
    const char *directory = getenv("RUNTIME_DIRECTORY");
    if (directory != NULL && directory[0] != '\0') {
        struct text t = text_over(own, sizeof own);
        text_add_bytes(&t, directory, strcspn(directory, ":"));
        text_add(&t, "/control.sock");
    }
    int exit_code =
        name(ret, directory != NULL && directory[0] != '\0' ? own : DEFAULT_SOCKET, err);
    if (exit_code == CTL_GO_ON)
        exit_code = dialogue_connect(ret->path, timeout_us, ret_fd, err);
    struct place other;
    struct errtext mistake = {""};
    if (exit_code != CTL_NO_DAEMON || access(CONFIG_PATH, R_OK) != 0)
        return exit_code;
    if (name_by_file(&other, CONFIG_PATH, &mistake) != CTL_GO_ON) {
        const struct errtext nobody = *err;
        return errtext_set(err, exit_code, "%s; whether it is elsewhere the file does not say: %s",
                           nobody.text, mistake.text);
    }
    if (strcmp(other.path, ret->path) == 0)
        return exit_code;
    *ret = other;
    return dialogue_connect(ret->path, timeout_us, ret_fd, err);
}

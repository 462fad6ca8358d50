/* See config_system.h. The only part of the loader that reads the environment. */
#include "ports/config_system.h"

#include "base/text.h"
#include "ports/certificates.h"
#include "ports/zoneinfo.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 4096

/* systemd writes several, joined by colons, where a unit names several. NULL: not set. */
static const char *first_directory(const char *variable, const char *more, char buffer[PATH_SIZE])
{
    const char *value = getenv(variable);
    if (value == NULL || value[0] == '\0')
        return NULL;
    struct text t = text_over(buffer, PATH_SIZE);
    text_add_bytes(&t, value, strcspn(value, ":"));
    text_add(&t, more);
    return buffer;
}

int config_system_load(const char *path, struct wall now, struct config **ret,
                       struct config_report *report)
{
    const char *zones = getenv("TZDIR");
    struct zoneinfo zoneinfo = {zones != NULL && zones[0] != '\0' ? zones : ZONEINFO_DIRECTORY};
    struct config_load_options options = {
        .now = now,
        .zone = zoneinfo_load,
        .zone_context = &zoneinfo,
        .ca_file = certificates_check,
    };
    char state_dir[PATH_SIZE];
    char socket[PATH_SIZE];
    options.state_dir = first_directory("STATE_DIRECTORY", "", state_dir);
    options.socket = first_directory("RUNTIME_DIRECTORY", "/control.sock", socket);
    return config_yaml_load(path, &options, ret, report);
}

/* See config_system.h. The only part of the loader that reads the environment. */
#include "ports/config_system.h"

#include "base/text.h"
#include "ports/certificates.h"
#include "ports/zoneinfo.h"

#include <stdlib.h>
#include <string.h>

/* systemd writes several, joined by colons, where a unit names several. NULL: not set. */
static const char *first_directory(const char *variable, const char *more,
                                   char buffer[CONFIG_SYSTEM_PATH_MAX])
{
    const char *value = getenv(variable);
    if (value == NULL || value[0] == '\0')
        return NULL;
    struct text t = text_over(buffer, CONFIG_SYSTEM_PATH_MAX);
    text_add_bytes(&t, value, strcspn(value, ":"));
    text_add(&t, more);
    return buffer;
}

const char *config_system_socket(char buffer[CONFIG_SYSTEM_PATH_MAX])
{
    return first_directory("RUNTIME_DIRECTORY", "/control.sock", buffer);
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
    char state_dir[CONFIG_SYSTEM_PATH_MAX];
    char socket[CONFIG_SYSTEM_PATH_MAX];
    options.state_dir = first_directory("STATE_DIRECTORY", "", state_dir);
    options.socket = config_system_socket(socket);
    return config_yaml_load(path, &options, ret, report);
}

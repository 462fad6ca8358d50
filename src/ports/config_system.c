/* See config_system.h. The only part of the loader that reads the environment. */
#include "ports/config_system.h"

#include "base/text.h"
#include "ports/certificates.h"
#include "ports/zoneinfo.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 4096

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
    const char *directory = getenv("STATE_DIRECTORY");
    if (directory != NULL && directory[0] != '\0') {
        /* systemd writes several, joined by colons, where a unit names several. */
        struct text t = text_over(state_dir, sizeof state_dir);
        text_add_bytes(&t, directory, strcspn(directory, ":"));
        options.state_dir = state_dir;
    }
    return config_yaml_load(path, &options, ret, report);
}

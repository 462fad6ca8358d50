/* crsbackupd: reads as a list. */
#include "base/digest.h"
#include "base/json.h"
#include "daemon/check.h"
#include "daemon/lifecycle.h"
#include "daemon/options.h"
#include "ports/clock_system.h"
#include "version.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* No core, no look into the memory from outside: it holds keys. What libraries free is wiped. */
static void shut_the_blinds(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    json_wipe_what_is_freed();
    (void)!digest_wipe_what_is_freed();
}

/* The leak checker looks at the end, from a process of its own. */
static void open_to_leak_checker(void)
{
#ifdef __SANITIZE_ADDRESS__
    (void)prctl(PR_SET_DUMPABLE, 1);
#endif
}

static enum exit_code run(const struct options *options)
{
    struct daemon daemon = {0};
    struct errtext err = {""};

    /* A signal that comes early waits until the loop can take it. */
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    shut_the_blinds();
    /* Large blocks come and go with a reload: fixed, the threshold gives them back each time. */
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    (void)umask(S_IRWXG | S_IRWXO);
    (void)signal(SIGPIPE, SIG_IGN);

    enum exit_code code = daemon_load(&daemon, options);
    if (code != EXIT_CODE_OK)
        goto out;
    int r = daemon_start(&daemon, &err);
    if (r == 0)
        r = daemon_run(&daemon, &err);
    if (r < 0) {
        (void)fprintf(stderr, "crsbackupd: %s\n", err.text);
        code = daemon.misnamed ? EXIT_CODE_CONFIG : EXIT_CODE_FAILURE;
    }
out:
    daemon_finish(&daemon);
    open_to_leak_checker();
    return code;
}

/* An answer that did not get out whole is no answer: a full disk turns success into a failure. */
static int end_output(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    (void)fputs("crsbackupd: standard output cannot be written\n", stderr);
    return code == EXIT_CODE_OK ? EXIT_CODE_FAILURE : code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct errtext err;

    if (options_parse(argc, argv, &options, &err) < 0) {
        (void)fprintf(stderr, "crsbackupd: %s\n", err.text);
        return EXIT_CODE_USAGE;
    }
    switch (options.mode) {
    case OPTIONS_VERSION:
        (void)printf("crsbackupd %s\n", CRSBACKUPD_VERSION);
        return end_output(EXIT_CODE_OK);
    case OPTIONS_HELP:
        (void)fputs(options_help(), stdout);
        return end_output(EXIT_CODE_OK);
    case OPTIONS_CHECK:
        return end_output(check_run(options.config_path, clock_now().wall, stdout, stderr));
    case OPTIONS_RUN:
        return (int)run(&options);
    }
    return EXIT_CODE_USAGE;
}

/*
 * Credentials: what the environment gives and that it is wiped, files good and bad, the keyring's
 * generations. No text may hold a key.
 */
#include "unit.h"

#include "ports/credentials.h"
#include "ports/credentials_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "AKIDEXAMPLE00000001"
#define KEY "KEYEXAMPLEdoNotShow0001"
#define TOKEN "TOKENEXAMPLEdoNotShow01"

/* ---- the text of a file ---- */

static void files_are_read_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *profile;
        const char *error; /* NULL: fine */
        const char *token;
    } rows[] = {
        {"[default]\nsecret_id = " ID "\nsecret_key = " KEY "\n", "default", NULL, ""},
        {"[default]\r\nsecret_id=" ID "\r\nsecret_key=" KEY "\r\ntoken=" TOKEN "\r\n", "default",
         NULL, TOKEN},
        {"# c\n; d\n\n  [ default ]  \n\tsecret_id : \"" ID "\"\nsecret_key='" KEY
         "'\nregion = x\ntoken =\n",
         "default", NULL, ""},
        {"[a]\nsecret_id=x\nsecret_key=y\n[b]\nsecret_id=" ID "\nsecret_key=" KEY
         "\nsession_token=" TOKEN,
         "b", NULL, TOKEN},
        {"[default]\nsecret_id=" ID "\n[other]\n[default]\nsecret_key=" KEY, "default", NULL, ""},
        {"", "default", "F has no section [default]", NULL},
        {"[default]\n", "default", "F has no secret_id in [default]", NULL},
        {"[default]\nsecret_id=" ID "\n", "default", "F has no secret_key in [default]", NULL},
        {"[x]\nsecret_id=" ID "\nsecret_key=" KEY, "y", "F has no section [y]", NULL},
        {"secret_id=" ID "\n", "default", "F:1: a setting before the first [section]", NULL},
        {"[default\n", "default", "F:1: a section has no ]", NULL},
        {"[", "default", "F:1: a section has no ]", NULL},
        {"[default]\n" KEY "\n", "default", "F:2: not [section], a comment or name = value", NULL},
        {"[default]\nsecret_key=" KEY "\nsecret_key=" KEY, "default",
         "F:3: secret_key is given twice in [default]; keep one", NULL},
        {"[default]\nsecret_id=\n", "default", "F:2: secret_id is empty", NULL},
        {"[default]\nsecret_key=" KEY " x\n", "default",
         "F:2: secret_key holds a blank, a line feed or another character that no key has", NULL},
        {"[default]\nsecret_key=" KEY "\xC3\xA9\n", "default",
         "F:2: secret_key holds a blank, a line feed or another character that no key has", NULL},
        {" {\"secretId\": \"" ID "\", \"secretKey\": \"" KEY "\", \"token\": \"" TOKEN "\"}\n",
         "other", NULL, TOKEN},
        {"{\"secretId\": \"" ID "\", \"secretKey\": \"" KEY "\", \"token\": null}", "default", NULL,
         ""},
        {"{\"secretId\": \"" ID "\", \"secretKey\": \"" KEY "\", \"token\": \"\"}", "default", NULL,
         ""},
        {"{\"secretId\": \"" ID "\"}", "default", "F: there is no secretKey", NULL},
        {"{\"secretId\": \"" ID "\", \"secretId\": \"x\"}", "default", "F: secretId is given twice",
         NULL},
        {"{\"secretId\": 7}", "default", "F: secretId is not a text", NULL},
        {"{\"secretId\": \"" ID "\", \"secretKey\": \"" KEY "\\n\"}", "default",
         "F: secretKey holds a blank, a line feed or another character that no key has", NULL},
        {"{\"secretId\": \"" ID "\", \"secretKey\": \"" KEY, "default",
         "F: not JSON at byte 51 of 73", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct found_keys keys;
        struct errtext err = {""};
        size_t length = strlen(rows[i].text);
        char *bytes = malloc(length + 1); /* exactly what the parser may touch */
        memcpy(bytes, rows[i].text, length);
        int outcome = credentials_file_parse(bytes, length, "F", rows[i].profile, &keys, &err);
        free(bytes);
        assert_null(strstr(err.text, "doNotShow"));
        if (rows[i].error != NULL) {
            assert_int_equal(outcome, -EINVAL);
            assert_string_equal(err.text, rows[i].error);
        } else {
            assert_int_equal(outcome, 0);
            assert_string_equal(keys.id, ID);
            assert_string_equal(keys.key.bytes, KEY);
            assert_string_equal(keys.token.bytes, rows[i].token);
        }
        found_keys_finish(&keys);
        assert_int_equal(keys.key.bytes[0], 0);
    }
}

static void long_values_and_binary_are_refused(void **state)
{
    (void)state;
    static struct found_keys keys;
    static char text[16384];
    struct errtext err;
    int n = snprintf(text, sizeof text, "[default]\nsecret_key=%05000d\n", 7);
    assert_int_equal(credentials_file_parse(text, (size_t)n, "F", "default", &keys, &err), -EINVAL);
    assert_string_equal(err.text, "F:2: secret_key is longer than 4096 bytes");
    n = snprintf(text, sizeof text, "[default]\nsecret_id=%0129d\n", 7);
    assert_int_equal(credentials_file_parse(text, (size_t)n, "F", "default", &keys, &err), -EINVAL);
    assert_string_equal(err.text, "F:2: secret_id is longer than 128 bytes");
    char binary[] = "[default]\n\0x";
    assert_int_equal(credentials_file_parse(binary, sizeof binary - 1, "F", "default", &keys, &err),
                     -EINVAL);
    assert_string_equal(err.text, "F is not a text file");
}

/* ---- files on the disk ---- */

static char directory[64];
static char path[128];

static int make_directory(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/credentials-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/keys", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void write_file(const char *key, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "[default]\nsecret_id=" ID "\nsecret_key=%s\n", key);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void open_files_are_refused_with_the_cure(void **state)
{
    (void)state;
    static struct found_keys keys;
    struct errtext err;
    for (mode_t mode = 0; mode <= 0777; mode++) {
        if ((mode & 0400) == 0)
            continue;
        write_file(KEY, mode);
        int outcome = credentials_file_read(path, "default", &keys, &err);
        /* A file of root's, and of a group of ours: that one may read it. */
        mode_t closed = geteuid() == 0 ? 037 : 077;
        if ((mode & closed) == 0) {
            assert_int_equal(outcome, 0);
            continue;
        }
        assert_int_equal(outcome, -EPERM);
        char cure[256];
        (void)snprintf(cure, sizeof cure, "chmod 600 %s", path);
        assert_non_null(strstr(err.text, cure));
    }
    (void)unlink(path);
}

/* <grp.h>, which declares setgroups(), has a struct group as the engine has. */
static int set_groups(int count, const gid_t *groups)
{
    return (int)syscall(SYS_setgroups, (long)count, groups);
}

/* As a mounted secret is for a service that is not root: root's, and of one of its groups. */
static void a_group_of_ours_may_read_a_file_of_roots(void **state)
{
    (void)state;
    static const struct {
        uid_t owner;
        gid_t group;
        mode_t mode;
        const char *cure; /* NULL: fine */
    } rows[] = {
        {0, 4242, 0440, NULL},
        {0, 4242, 0640, NULL},
        {0, 4243, 0440, NULL},
        {0, 4242, 0444, "close it: chmod 440 /"},
        {0, 4242, 0660, "close it: chmod 440 /"},
        {0, 4242, 0450, "close it: chmod 440 /"},
        {0, 4244, 0444, "close it: give it a group of this program's, chmod 440 /"},
        {0, 0, 0644, "close it: give it a group of this program's, chmod 440 /"},
        {4241, 4242, 0400, NULL},
        {4241, 4242, 0440, "close it: chmod 600 /"},
    };
    static struct found_keys keys;
    struct errtext err;
    if (geteuid() != 0)
        skip();
    gid_t before[64];
    int count = getgroups(64, before);
    assert_true(count >= 0);
    assert_int_equal(chmod(directory, 0711), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        write_file(KEY, 0600);
        assert_int_equal(chown(path, rows[i].owner, rows[i].group), 0);
        assert_int_equal(chmod(path, rows[i].mode), 0);
        gid_t extra = 4243;
        assert_int_equal(set_groups(1, &extra), 0);
        assert_int_equal(setegid(4242), 0);
        assert_int_equal(seteuid(4241), 0);
        int outcome = credentials_file_read(path, "default", &keys, &err);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        assert_int_equal(set_groups(count, before), 0);
        if (rows[i].cure == NULL) {
            if (outcome != 0)
                fail_msg("row %zu: %s", i, err.text);
        } else if (outcome != -EPERM || strstr(err.text, rows[i].cure) == NULL) {
            fail_msg("row %zu: %d, %s", i, outcome, outcome != 0 ? err.text : "");
        }
    }
    found_keys_finish(&keys);
    (void)unlink(path);
}

static void other_kinds_of_files_are_refused(void **state)
{
    (void)state;
    static struct found_keys keys;
    struct errtext err;
    assert_int_equal(credentials_file_read(path, "default", &keys, &err), SOURCE_ABSENT);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(credentials_file_read(path, "default", &keys, &err), -EINVAL); /* no wait */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(credentials_file_read("/tmp", "default", &keys, &err), -EINVAL);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), 65 * 1024), 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(credentials_file_read(path, "default", &keys, &err), -EFBIG);
    (void)unlink(path);
    if (geteuid() == 0) {
        write_file(KEY, 0600);
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_int_equal(credentials_file_read(path, "default", &keys, &err), -EPERM);
        assert_non_null(strstr(err.text, "12345"));
        (void)unlink(path);
    }
}

/* As mounted secrets are: keys -> ..data/keys, ..data -> a directory. */
static void links_count_as_what_they_lead_to(void **state)
{
    (void)state;
    static struct found_keys keys;
    struct errtext err;
    char data[128];
    char link[128];
    (void)snprintf(data, sizeof data, "%s/..data", directory);
    (void)snprintf(link, sizeof link, "%s/link", directory);
    assert_int_equal(symlink(".", data), 0);
    assert_int_equal(symlink("..data/keys", link), 0);
    assert_int_equal(credentials_file_read(link, "default", &keys, &err), SOURCE_ABSENT);
    write_file(KEY, 0600);
    assert_int_equal(credentials_file_read(link, "default", &keys, &err), 0);
    assert_string_equal(keys.id, ID);
    assert_string_equal(keys.key.bytes, KEY);
    write_file(KEY, 0644);
    assert_int_equal(credentials_file_read(link, "default", &keys, &err), -EPERM);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_int_equal(credentials_file_read(link, "default", &keys, &err), -EINVAL);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("link", link), 0); /* to itself */
    assert_int_equal(credentials_file_read(link, "default", &keys, &err), -ELOOP);
    assert_non_null(strstr(err.text, link));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(data), 0);
    found_keys_finish(&keys);
    (void)unlink(path);
}

static int read_keys(struct credentials *c, enum credentials_provider provider, const char *file,
                     struct errtext *err)
{
    const struct credentials_settings settings = {
        .provider = provider, .file = file, .profile = "default"};
    return credentials_read(c, &settings, err);
}

static void generations_follow_the_keys(void **state)
{
    (void)state;
    struct credentials *c;
    const struct keys *keys;
    struct errtext err;
    assert_int_equal(credentials_create(&c), 0);
    struct keyring ring = credentials_keyring(c);
    assert_int_equal(ring.get(ring.context, &keys, &err), -ENOENT);

    assert_int_equal(read_keys(c, CREDENTIALS_FILE, path, &err), CREDENTIALS_UNUSABLE);
    assert_int_equal(ring.get(ring.context, &keys, &err), -ENOENT);
    assert_non_null(strstr(err.text, "does not exist"));

    write_file(KEY, 0600);
    assert_int_equal(read_keys(c, CREDENTIALS_FILE, path, &err), 0);
    assert_int_equal(ring.get(ring.context, &keys, &err), 0);
    uint64_t first = keys->generation;
    assert_string_equal(keys->key.bytes, KEY);
    assert_string_equal(credentials_origin(c), path);

    assert_int_equal(read_keys(c, CREDENTIALS_AUTO, path, &err), 0);
    assert_int_equal(ring.get(ring.context, &keys, &err), 0);
    assert_int_equal(keys->generation, first);

    write_file("other", 0600);
    assert_int_equal(read_keys(c, CREDENTIALS_FILE, path, &err), 0);
    assert_int_equal(ring.get(ring.context, &keys, &err), 0);
    assert_true(keys->generation != first);
    assert_string_equal(keys->key.bytes, "other");

    write_file("third", 0644); /* refused: the old keys stay */
    assert_int_equal(read_keys(c, CREDENTIALS_FILE, path, &err), CREDENTIALS_UNUSABLE);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(ring.get(ring.context, &keys, &err), 0);
    assert_string_equal(keys->key.bytes, "other");
    credentials_destroy(c);
    (void)unlink(path);
}

/* Where auto could ask a service: a file that is named is meant, and no other account steps in. */
static void a_named_file_has_to_be_there(void **state)
{
    (void)state;
    struct credentials *c;
    const struct keys *keys;
    struct errtext err;
    struct credentials_settings settings = {
        .provider = CREDENTIALS_AUTO,
        .file = path,
        .profile = "default",
        .metadata_url = "http://127.0.0.1:1/",
    };
    assert_int_equal(credentials_create(&c), 0);
    struct keyring ring = credentials_keyring(c);
    assert_int_equal(credentials_read(c, &settings, &err), CREDENTIALS_UNUSABLE);
    assert_non_null(strstr(err.text, "keys does not exist"));

    write_file(KEY, 0600);
    assert_int_equal(credentials_read(c, &settings, &err), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(credentials_read(c, &settings, &err), CREDENTIALS_UNUSABLE);
    assert_int_equal(ring.get(ring.context, &keys, &err), 0);
    assert_string_equal(keys->key.bytes, KEY);

    settings.file = NULL;
    assert_int_equal(setenv("HOME", directory, 1), 0);
    assert_int_equal(setenv("TENCENTCLOUD_CREDENTIALS_FILE", path, 1), 0);
    assert_int_equal(credentials_read(c, &settings, &err), CREDENTIALS_UNUSABLE);
    assert_non_null(strstr(err.text, "keys does not exist"));
    assert_int_equal(ring.get(ring.context, &keys, &err), 0);

    assert_int_equal(unsetenv("TENCENTCLOUD_CREDENTIALS_FILE"),
                     0); /* the usual places may be empty */
    assert_int_equal(credentials_read(c, &settings, &err), 0);
    assert_int_equal(ring.get(ring.context, &keys, &err), -ENOENT);
    credentials_destroy(c);
}

/* ---- the environment ---- */

/* Runs this program anew with the variables; `mode` tells what the child does. */
static int run_child(const char *mode, const char *const variables[])
{
    char *environment[8] = {NULL};
    for (size_t i = 0; variables[i] != NULL; i++)
        environment[i] = strdup(variables[i]);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char program[] = "/proc/self/exe";
        char *copy = strdup(mode);
        char *arguments[] = {program, copy, NULL};
        (void)execve(program, arguments, environment);
        _exit(99);
    }
    for (size_t i = 0; environment[i] != NULL; i++)
        free(environment[i]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The kernel's view of the environment must not show a key. */
static bool is_shown(const char *part)
{
    static char bytes[65536];
    FILE *file = fopen("/proc/self/environ", "r");
    if (file == NULL)
        return true;
    size_t length = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    return memmem(bytes, length, part, strlen(part)) != NULL;
}

/* Exit codes of the child: 0 right; anything else names the line that is wrong. */
#define EXPECT(condition)             \
    do {                              \
        if (!(condition))             \
            return __LINE__ % 90 + 1; \
    } while (0)

static int child_takes_all(void)
{
    struct credentials *c;
    const struct keys *keys;
    struct errtext err;
    EXPECT(is_shown("doNotShow"));
    EXPECT(credentials_create(&c) == 0);
    EXPECT(!is_shown("doNotShow") && !is_shown(ID));
    EXPECT(is_shown("KEPT=1"));
    EXPECT(strcmp(getenv("TENCENTCLOUD_SECRET_KEY"), "") == 0);
    EXPECT(read_keys(c, CREDENTIALS_AUTO, NULL, &err) == 0);
    EXPECT(read_keys(c, CREDENTIALS_ENV, NULL, &err) == 0); /* a reload */
    struct keyring ring = credentials_keyring(c);
    EXPECT(ring.get(ring.context, &keys, &err) == 0);
    EXPECT(strcmp(keys->id, ID) == 0 && strcmp(keys->key.bytes, KEY) == 0);
    EXPECT(strcmp(keys->token.bytes, TOKEN) == 0);
    EXPECT(keys->generation == 1);
    EXPECT(strcmp(credentials_origin(c), "environment") == 0);
    credentials_destroy(c);
    return 0;
}

static int child_is_refused(const char *text)
{
    struct credentials *c;
    const struct keys *keys;
    struct errtext err = {""};
    EXPECT(credentials_create(&c) == 0);
    EXPECT(!is_shown("doNotShow") && !is_shown(ID));
    EXPECT(read_keys(c, CREDENTIALS_ENV, NULL, &err) == CREDENTIALS_UNUSABLE);
    EXPECT(strcmp(err.text, text) == 0);
    EXPECT(strstr(err.text, "doNotShow") == NULL);
    struct keyring ring = credentials_keyring(c);
    EXPECT(ring.get(ring.context, &keys, &err) == -ENOENT);
    credentials_destroy(c);
    return 0;
}

/* `name` in $CREDENTIALS_DIRECTORY, of mode 0440 as systemd 254 makes it. */
static void lay(const char *name, const char *bytes, mode_t mode)
{
    char file_name[256];
    (void)snprintf(file_name, sizeof file_name, "%s/%s", getenv("CREDENTIALS_DIRECTORY"), name);
    if (bytes == NULL) {
        (void)unlink(file_name);
        return;
    }
    FILE *file = fopen(file_name, "w");
    if (file == NULL)
        abort();
    (void)fputs(bytes, file);
    if (fclose(file) != 0 || chmod(file_name, mode) != 0)
        abort();
}

static int try_systemd(enum credentials_provider provider, struct keys *ret, char text[ERRTEXT_MAX])
{
    struct credentials *c;
    const struct keys *keys;
    struct errtext err = {""};
    if (credentials_create(&c) != 0)
        return -1;
    int outcome = read_keys(c, provider, NULL, &err);
    struct keyring ring = credentials_keyring(c);
    if (outcome == 0 && ring.get(ring.context, &keys, NULL) == 0) {
        *ret = *keys;
        if (strcmp(credentials_provider_name(c), "systemd") != 0)
            outcome = -2;
    }
    memcpy(text, err.text, ERRTEXT_MAX);
    credentials_destroy(c);
    return outcome;
}

static int child_has_a_directory(void)
{
    static struct keys keys;
    char text[ERRTEXT_MAX];
    EXPECT(try_systemd(CREDENTIALS_SYSTEMD, &keys, text) == CREDENTIALS_UNUSABLE);
    EXPECT(strstr(text, "neither secret-id and secret-key nor credentials") != NULL);
    lay("secret-id", ID "\n", 0440);
    EXPECT(try_systemd(CREDENTIALS_SYSTEMD, &keys, text) == CREDENTIALS_UNUSABLE);
    EXPECT(strstr(text, "has no secret-key") != NULL);
    lay("secret-key", "  " KEY "\r\n", 0440);
    EXPECT(try_systemd(CREDENTIALS_SYSTEMD, &keys, text) == 0);
    EXPECT(strcmp(keys.id, ID) == 0 && strcmp(keys.key.bytes, KEY) == 0);
    EXPECT(keys.token.length == 0);
    lay("token", TOKEN, 0400);
    EXPECT(try_systemd(CREDENTIALS_AUTO, &keys, text) == 0);
    EXPECT(strcmp(keys.token.bytes, TOKEN) == 0);
    static const mode_t open_modes[] = {0444, 0460, 0450, 0404};
    for (size_t i = 0; i < COUNT(open_modes); i++) {
        lay("secret-key", KEY, open_modes[i]);
        EXPECT(try_systemd(CREDENTIALS_SYSTEMD, &keys, text) == CREDENTIALS_UNUSABLE);
        EXPECT(strstr(text, "open to others") != NULL && strstr(text, "doNotShow") == NULL);
    }
    lay("secret-key", "", 0440);
    EXPECT(try_systemd(CREDENTIALS_AUTO, &keys, text) == CREDENTIALS_UNUSABLE);
    EXPECT(strstr(text, "secret-key is empty") != NULL);
    lay("secret-id", NULL, 0);
    lay("secret-key", NULL, 0);
    lay("token", NULL, 0);
    lay("credentials", "[default]\nsecret_id=" ID "\nsecret_key=" KEY "\n", 0440);
    EXPECT(try_systemd(CREDENTIALS_SYSTEMD, &keys, text) == 0);
    EXPECT(strcmp(keys.key.bytes, KEY) == 0);
    lay("credentials", NULL, 0);
    return 0;
}

static void systemd_hands_keys_over(void **state)
{
    (void)state;
    char variable[128];
    (void)snprintf(variable, sizeof variable, "CREDENTIALS_DIRECTORY=%s", directory);
    const char *const variables[] = {variable, NULL};
    assert_int_equal(run_child("systemd", variables), 0);
}

/* ~/.tccli/default.credential, and that what is nearer comes first. */
static int child_has_a_home(void)
{
    struct credentials *c;
    const struct keys *keys;
    struct errtext err;
    EXPECT(credentials_create(&c) == 0);
    EXPECT(read_keys(c, CREDENTIALS_AUTO, NULL, &err) == 0);
    struct keyring ring = credentials_keyring(c);
    EXPECT(ring.get(ring.context, &keys, NULL) == 0);
    EXPECT(strcmp(keys->key.bytes, KEY) == 0);
    EXPECT(strstr(credentials_origin(c), "/.tccli/default.credential") != NULL);
    EXPECT(strcmp(credentials_provider_name(c), "file") == 0);
    credentials_destroy(c);
    return 0;
}

static void the_profile_of_tccli_is_found(void **state)
{
    (void)state;
    char home[128];
    char folder[128];
    char file_name[256];
    (void)snprintf(home, sizeof home, "HOME=%s", directory);
    (void)snprintf(folder, sizeof folder, "%s/.tccli", directory);
    (void)snprintf(file_name, sizeof file_name, "%s/default.credential", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    FILE *file = fopen(file_name, "w");
    assert_non_null(file);
    (void)fputs("{\"secretId\":\"" ID "\",\"secretKey\":\"" KEY "\"}", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(file_name, 0600), 0);
    const char *const variables[] = {home, NULL};
    assert_int_equal(run_child("home", variables), 0);
    assert_int_equal(unlink(file_name), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void the_environment_is_taken_and_wiped(void **state)
{
    (void)state;
    static const char *const tokens[] = {"TENCENTCLOUD_TOKEN=" TOKEN,
                                         "TENCENTCLOUD_SESSION_TOKEN=" TOKEN,
                                         "TENCENTCLOUD_SECURITY_TOKEN=" TOKEN};
    for (size_t i = 0; i < COUNT(tokens); i++) {
        const char *const variables[] = {"KEPT=1", "TENCENTCLOUD_SECRET_ID=" ID,
                                         "TENCENTCLOUD_SECRET_KEY=" KEY, tokens[i], NULL};
        assert_int_equal(run_child("all", variables), 0);
    }
}

static void half_an_environment_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *variables[5];
        const char *text;
    } rows[] = {
        {{NULL}, "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY are not set"},
        {{"TENCENTCLOUD_SECRET_ID=", "TENCENTCLOUD_SECRET_KEY="},
         "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY are not set"},
        {{"TENCENTCLOUD_SECRET_ID=" ID},
         "TENCENTCLOUD_SECRET_ID is set but TENCENTCLOUD_SECRET_KEY is not; set both"},
        {{"TENCENTCLOUD_SECRET_KEY=" KEY},
         "TENCENTCLOUD_SECRET_KEY is set but TENCENTCLOUD_SECRET_ID is not; set both"},
        {{"TENCENTCLOUD_SECRET_ID=" ID, "TENCENTCLOUD_SECRET_KEY=" KEY "\n"},
         "TENCENTCLOUD_SECRET_KEY holds a blank, a line feed or another character that no key has"},
        {{"TENCENTCLOUD_SECRET_ID=" ID, "TENCENTCLOUD_SECRET_KEY=" KEY, "TENCENTCLOUD_TOKEN=" TOKEN,
          "TENCENTCLOUD_SECURITY_TOKEN=doNotShow"},
         "TENCENTCLOUD_TOKEN and TENCENTCLOUD_SECURITY_TOKEN differ; set one of them"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(run_child(rows[i].text, rows[i].variables), 0);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return strcmp(argv[1], "all") == 0       ? child_takes_all()
               : strcmp(argv[1], "systemd") == 0 ? child_has_a_directory()
               : strcmp(argv[1], "home") == 0    ? child_has_a_home()
                                                 : child_is_refused(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_as_written),
        cmocka_unit_test(long_values_and_binary_are_refused),
        cmocka_unit_test(open_files_are_refused_with_the_cure),
        cmocka_unit_test(a_group_of_ours_may_read_a_file_of_roots),
        cmocka_unit_test(other_kinds_of_files_are_refused),
        cmocka_unit_test(links_count_as_what_they_lead_to),
        cmocka_unit_test(generations_follow_the_keys),
        cmocka_unit_test(a_named_file_has_to_be_there),
        cmocka_unit_test(the_environment_is_taken_and_wiped),
        cmocka_unit_test(half_an_environment_is_refused),
        cmocka_unit_test(systemd_hands_keys_over),
        cmocka_unit_test(the_profile_of_tccli_is_found),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

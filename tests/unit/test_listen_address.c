/* An address to listen on: what is taken, what is refused, and who can reach it. */
#include "unit.h"

#include "ports/listen_address.h"

#include <errno.h>
#include <netinet/in.h>

static void addresses_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int family;
        int port;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:9746", AF_INET, 9746, true},    {"127.3.2.1:1", AF_INET, 1, true},
        {"0.0.0.0:65535", AF_INET, 65535, false},   {"10.1.2.3:80", AF_INET, 80, false},
        {"[::1]:9746", AF_INET6, 9746, true},       {"[::]:9746", AF_INET6, 9746, false},
        {"[2001:db8::1]:9", AF_INET6, 9, false},    {"[::ffff:127.0.0.1]:9", AF_INET6, 9, true},
        {"[::ffff:8.8.8.8]:9", AF_INET6, 9, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct listen_address address;
        assert_int_equal(listen_address_parse(rows[i].text, &address, NULL), 0);
        assert_int_equal(address.storage.ss_family, rows[i].family);
        assert_int_equal(listen_address_is_loopback(&address), rows[i].loopback);
        if (rows[i].family == AF_INET) {
            struct sockaddr_in four;
            assert_int_equal(address.length, sizeof four);
            memcpy(&four, &address.storage, sizeof four);
            assert_int_equal(ntohs(four.sin_port), rows[i].port);
        } else {
            struct sockaddr_in6 six;
            assert_int_equal(address.length, sizeof six);
            memcpy(&six, &address.storage, sizeof six);
            assert_int_equal(ntohs(six.sin6_port), rows[i].port);
        }
    }
}

static void others_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        ":",
        ":9746",
        "9746",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1x",
        "127.0.0.1:1:1",
        "127.0.0:9746",
        "127.0.0.256:9746",
        "localhost:9746",
        "::1:9746",
        "[::1]",
        "[::1]9746",
        "[::1:9746",
        "[127.0.0.1]:9746",
        "[fe80::1%eth0]:9746",
        "[]:9746",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
        "unix:/run/metrics.sock",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct listen_address address;
        struct errtext err = {""};
        assert_int_equal(listen_address_parse(rows[i], &address, &err), -EINVAL);
        assert_non_null(strstr(err.text, "; write 127.0.0.1:9746 or [::1]:9746"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

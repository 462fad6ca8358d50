/* Digests: the published vectors of FIPS 180-4 and RFC 4231, and contexts that are used again. */
#include "unit.h"

#include "base/digest.h"

#include <stdlib.h>

static int open_digest(void **state)
{
    struct digest *digest;
    struct errtext err;
    int outcome = digest_create(&digest, &err);
    if (outcome == 0)
        *state = digest;
    return outcome;
}

static int close_digest(void **state)
{
    digest_destroy(*state);
    return 0;
}

static void sha256_vectors(void **state)
{
    struct digest *digest = *state;
    static const struct {
        const char *text;
        const char *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    /* Twice over: nothing of one message may reach the next. */
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        const char *text = rows[i % COUNT(rows)].text;
        uint8_t hash[DIGEST_SIZE];
        char hex[DIGEST_HEX_SIZE];
        assert_int_equal(digest_sha256(digest, text, strlen(text), hash), 0);
        assert_string_equal(digest_hex(hash, hex), rows[i % COUNT(rows)].hex);
    }
    uint8_t hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_sha256(digest, NULL, 0, hash), 0);
    assert_string_equal(digest_hex(hash, hex), rows[0].hex);
}

static void sha256_of_a_million(void **state)
{
    size_t length = 1000000;
    char *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, 'a', length);
    uint8_t hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_sha256(*state, bytes, length, hash), 0);
    assert_string_equal(digest_hex(hash, hex),
                        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(bytes);
}

struct hmac_row {
    const char *key; /* NULL: key_length times key_byte */
    char key_byte;
    size_t key_length;
    const char *text; /* NULL: 50 times text_byte */
    char text_byte;
    const char *hex;
};

/* RFC 4231, cases 1 to 4, 6 and 7. */
static const struct hmac_row hmac_rows[] = {
    {NULL, 0x0b, 20, "Hi There", 0,
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", 0, 4, "what do ya want for nothing?", 0,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {NULL, (char)0xaa, 20, NULL, (char)0xdd,
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
     "\x18\x19",
     0, 25, NULL, (char)0xcd, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {NULL, (char)0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {NULL, (char)0xaa, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. The key "
     "needs to be hashed before being used by the HMAC algorithm.",
     0, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    /* An empty key is a key. */
    {"", 0, 0, "", 0, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static void hmac_vectors(void **state)
{
    struct digest *digest = *state;
    for (size_t i = 0; i < COUNT(hmac_rows); i++) {
        const struct hmac_row *row = &hmac_rows[i];
        char key[131];
        char text[50];
        memset(key, row->key_byte, sizeof key);
        memset(text, row->text_byte, sizeof text);
        const char *k = row->key != NULL ? row->key : key;
        const char *t = row->text != NULL ? row->text : text;
        size_t length = row->text != NULL ? strlen(row->text) : sizeof text;
        uint8_t mac[DIGEST_SIZE];
        char hex[DIGEST_HEX_SIZE];
        assert_int_equal(digest_hmac(digest, k, row->key_length, t, length, mac), 0);
        assert_string_equal(digest_hex(mac, hex), row->hex);

        struct digest_key *keyed;
        assert_int_equal(digest_key_create(digest, k, row->key_length, &keyed), 0);
        for (int round = 0; round < 3; round++) {
            memset(mac, 0, sizeof mac);
            assert_int_equal(digest_key_hmac(keyed, t, length, mac), 0);
            assert_string_equal(digest_hex(mac, hex), row->hex);
            assert_int_equal(digest_key_hmac(keyed, "between", 7, mac), 0);
            assert_string_not_equal(digest_hex(mac, hex), row->hex);
        }
        digest_key_destroy(keyed);
    }
}

/* A keyed context stands by itself: other keys and hashes in between do not touch it. */
static void keys_do_not_mix(void **state)
{
    struct digest *digest = *state;
    struct digest_key *a;
    struct digest_key *b;
    uint8_t from_a[DIGEST_SIZE];
    uint8_t from_b[DIGEST_SIZE];
    uint8_t mac[DIGEST_SIZE];
    assert_int_equal(digest_key_create(digest, "a", 1, &a), 0);
    assert_int_equal(digest_key_create(digest, "b", 1, &b), 0);
    assert_int_equal(digest_hmac(digest, "a", 1, "m", 1, from_a), 0);
    assert_int_equal(digest_hmac(digest, "b", 1, "m", 1, from_b), 0);
    assert_memory_not_equal(from_a, from_b, DIGEST_SIZE);
    for (int round = 0; round < 4; round++) {
        assert_int_equal(digest_key_hmac(a, "m", 1, mac), 0);
        assert_memory_equal(mac, from_a, DIGEST_SIZE);
        assert_int_equal(digest_sha256(digest, "m", 1, mac), 0);
        assert_int_equal(digest_key_hmac(b, "m", 1, mac), 0);
        assert_memory_equal(mac, from_b, DIGEST_SIZE);
    }
    digest_key_destroy(b);
    assert_int_equal(digest_key_hmac(a, "m", 1, mac), 0);
    assert_memory_equal(mac, from_a, DIGEST_SIZE);
    digest_key_destroy(a);
}

static void nothing_may_be_destroyed(void **state)
{
    (void)state;
    digest_destroy(NULL);
    digest_key_destroy(NULL);
}

static void hex_is_lower_case(void **state)
{
    (void)state;
    uint8_t hash[DIGEST_SIZE];
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        hash[i] = (uint8_t)(0xE1 + i * 7);
    char hex[DIGEST_HEX_SIZE];
    assert_ptr_equal(digest_hex(hash, hex), hex);
    assert_string_equal(hex, "e1e8eff6fd040b121920272e353c434a51585f666d747b828990979ea5acb3ba");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sha256_vectors, open_digest, close_digest),
        cmocka_unit_test_setup_teardown(sha256_of_a_million, open_digest, close_digest),
        cmocka_unit_test_setup_teardown(hmac_vectors, open_digest, close_digest),
        cmocka_unit_test_setup_teardown(keys_do_not_mix, open_digest, close_digest),
        cmocka_unit_test(nothing_may_be_destroyed),
        cmocka_unit_test(hex_is_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

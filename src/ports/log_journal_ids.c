/*
 * See log_journal.h. An identity stays with its kind of event for ever: catalogs and filters of
 * other people know it. A new kind gets a new one (`systemd-id128 new`), here and in
 * docs/log-events.md; the suite `lint` compares the two with the events of the code.
 */
#include "ports/log_journal.h"

#include <string.h>

static const struct {
    const char *event;
    const char *id;
} ids[] = {
    {"started", "079bff04433a4f78b601f4a526c86018"},
    {"ready", "50a11690146e43a4ade358a8b05a3e3d"},
    {"reloaded", "f70226079a43401b8e5de4a2fdca9052"},
    {"reload_failed", "6993ecfb01f841b5a0d7509bcd6b94da"},
    {"stopping", "9d03b4d9247e4ab79ae4b19561c3e42c"},
    {"stopped", "06e9cc8b4d9c498cb51437ab4e5dc258"},
    {"operator", "1063799ff8d24e41b74c74942b284755"},
    {"start_failed", "4f13bf85a8624b78a106a6c1f1f8d7ce"},
    {"configuration_warning", "ae47628d8bbc496eb7ff88055c003f0a"},
    {"credentials_refreshed", "bdc4911077fd4ab3b677bba799ab7cfd"},
    {"credentials_failed", "709e904ba4cd4ea9910731443002ea6a"},
    {"backup_submitted", "45139d38e1e8499b8707036eceb51b56"},
    {"backup_succeeded", "7ddc1ce9684747cdb0c21903a53d790b"},
    {"backup_retry", "467a99e3ef8a4eeca46a29fd13b47ee3"},
    {"backup_failed", "084b186ea95c458db50f7c080af92ba7"},
    {"backup_unknown", "ebc3279b15a54e92ab6933088d00d72d"},
    {"backup_missed", "d11ecba7655d4e98a1b8a0d71abe5e9a"},
    {"backup_skipped", "5c684f3b8db241c8adf53238a77a2f0f"},
    {"watch_failed", "6a1ab68b7d7a4aed87b0dbdd75f67ed6"},
    {"lookup_failed", "af3803ef516a42a08e088813727cd7f3"},
    {"endpoint_down", "d6c0f8b9dd0c4a56b39a6ec29cde07c3"},
    {"endpoint_up", "3e762c3ff5e54f11a20e3dba58d87145"},
    {"slot_moved", "7134df1af3674f11b3e29580ace23edc"},
    {"slot_interrupted", "3c0ed5e72fd64d8e94e513ffba67d5b0"},
    {"slot_resumed", "5ba074b0b0bc496c85daeacb3cc64bd9"},
    {"throttled", "1f0e01fcfebc4f11ab614ba93be91f33"},
    {"clock_jumped", "c1da789baa1d437e90fd51509c5af449"},
    {"clock_implausible", "bb0caac740134d10801a2394aecd7396"},
    {"clock_plausible", "0b2d9d16d3634d8094fedf4eec95d005"},
    {"record_failed", "f0993a30980a4357be56f4f2cc02fc4c"},
    {"ledger_failed", "0728e74fd92a4a4d8a503d64340e9195"},
    {"ledger_recovered", "57bbdab4c2d64b4b94b73a5ae57cad24"},
    {"log_lost", "ce7a22ccbeab415db0e71b1e4ecf308d"},
    {"log_undelivered", "ec439978267e43f1961a8ed1f805563b"},
    {"log_failed", "9e0c3a64218947f8b84ce24d93c71f7d"},
};

const char *log_journal_message_id(const char *event)
{
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (strcmp(ids[i].event, event) == 0)
            return ids[i].id;
    return NULL;
}

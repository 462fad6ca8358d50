/*
 * Why nothing was sent for a run: the engine's words for the log and the ledger, and what they mean
 * to people.
 */
#pragma once

/* "overlap" -> "its previous backup has not ended, ..."; what is no such word is returned itself.
 */
const char *reason_in_words(const char *reason);

/* session.h: pages of sessions; shared by session.c and step.c. */
#ifndef TALLY_SESSION_H
#define TALLY_SESSION_H

#include "models/context.h"

/* Pages that hold so many tokens. */
int32_t tl_pages_for(int64_t tokens);
/* Forgets tokens from `length` on and gives back the pages that are not needed. */
void tl_session_cut(tl_session *s, int64_t length);
/* Takes pages for `length` tokens; the caller has made sure that they are there. */
void tl_session_reserve(tl_session *s, int64_t length);
/* The cache's row for a position inside the pages taken. */
int32_t tl_session_row(const tl_session *s, int64_t position);

#endif

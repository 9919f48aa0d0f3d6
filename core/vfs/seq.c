/* SPDX-License-Identifier: MIT */
/* Text built in a buffer that grows: what proc and sys files are made of. No locks; may sleep. */
#include "vfs_priv.h"

static bool seq_room(struct seq_buf *s, size_t n)
{
	size_t cap = s->cap ? s->cap : 512;
	char *p;

	if (s->failed)
		return false;
	if (s->len + n + 1 <= s->cap)
		return true;
	while (cap < s->len + n + 1)
		cap *= 2;
	p = krealloc(s->buf, cap, GFP_KERNEL);
	if (!p) {
		s->failed = true;
		return false;
	}
	s->buf = p;
	s->cap = cap;
	return true;
}

void seq_write(struct seq_buf *s, const void *p, size_t n)
{
	if (!seq_room(s, n))
		return;
	memcpy(s->buf + s->len, p, n);
	s->len += n;
	s->buf[s->len] = 0;
}

void seq_puts(struct seq_buf *s, const char *text)
{
	seq_write(s, text, strlen(text));
}

void seq_printf(struct seq_buf *s, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	if (!seq_room(s, 80))
		return;
	va_start(ap, fmt);
	va_copy(again, ap);
	n = kvsnprintf(s->buf + s->len, s->cap - s->len, fmt, ap);
	if (n > 0 && (size_t)n >= s->cap - s->len && seq_room(s, (size_t)n))
		n = kvsnprintf(s->buf + s->len, s->cap - s->len, fmt, again);
	va_end(again);
	va_end(ap);
	if (n > 0 && !s->failed)
		s->len += (size_t)n;
}

void seq_escape(struct seq_buf *s, const char *text, const char *chars)
{
	while (*text) {
		const char *plain = text;

		while (*text && !strchr(chars, *text))
			text++;
		seq_write(s, plain, (size_t)(text - plain));
		if (*text)
			seq_printf(s, "\\%03o", (unsigned)(u8)*text++);
	}
}

void seq_free(struct seq_buf *s)
{
	kfree(s->buf);
	*s = (struct seq_buf) { .buf = NULL };
}

/* SPDX-License-Identifier: MIT */
/* Strings that grow, and numbers, modes and dates as users write them. */
#include "img.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- memory */
void *must_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q) {
		fputs("maestro-img: out of memory\n", stderr);
		exit(IMG_FAILED);
	}
	return q;
}

void *must_alloc(size_t n)
{
	void *p = must_realloc(NULL, n);

	memset(p, 0, n);
	return p;
}

char *must_dup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(must_realloc(NULL, n), s, n);
}

void text_add(struct text *t, const char *s, size_t n)
{
	if (t->len + n + 1 > t->size) {
		t->size = (t->len + n + 1) * 2;
		t->data = must_realloc(t->data, t->size);
	}
	memcpy(t->data + t->len, s, n);
	t->len += n;
	t->data[t->len] = 0;
}

void text_adds(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_cut(struct text *t, size_t len)
{
	t->len = len;
	t->data[len] = 0;
}

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){0};
}

size_t text_push(struct text *t, const char *name)
{
	size_t before = t->len;

	while (*name == '/')
		name++;
	if (!t->len || t->data[t->len - 1] != '/')
		text_add(t, "/", 1);
	text_adds(t, name);
	return before;
}

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *without_slashes(const char *path)
{
	char *plain = must_dup(path);
	size_t n = strlen(plain);

	while (n > 1 && plain[n - 1] == '/')
		plain[--n] = 0;
	return plain;
}

/* ---------------------------------------------------------------- numbers */
int parse_number(const char *s, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long v;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || *end || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_size(const char *s, uint64_t *out)
{
	static const char units[] = "KMGT";
	char *end;
	unsigned long long v;
	const char *unit;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno)
		return -EINVAL;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		end++;
		if (v > UINT64_MAX >> shift)
			return -EINVAL;
		v <<= shift;
	}
	if (*end)
		return -EINVAL;
	*out = v;
	return 0;
}

static int parse_id(const char *s, size_t n, int64_t *out)
{
	char word[16];
	uint64_t v;

	*out = -1;
	if (!n)
		return 0;
	if (n >= sizeof(word))
		return -EINVAL;
	memcpy(word, s, n);
	word[n] = 0;
	if (parse_number(word, 0xfffffffe, &v))
		return -EINVAL;
	*out = (int64_t)v;
	return 0;
}

int parse_owner(const char *s, int64_t *uid, int64_t *gid)
{
	const char *colon = strchr(s, ':');
	size_t n = colon ? (size_t)(colon - s) : strlen(s);

	if (!*s)
		return -EINVAL;
	*gid = -1;
	if (parse_id(s, n, uid))
		return -EINVAL;
	return colon ? parse_id(colon + 1, strlen(colon + 1), gid) : 0;
}

/* ---------------------------------------------------------------- dates */
int parse_seconds(const char *s, struct timespec *out)
{
	long scale = 100000000;
	char *end;

	errno = 0;
	*out = (struct timespec){.tv_sec = strtoll(s, &end, 10)};
	if (errno || end == s)
		return -EINVAL;
	if (*end == '.')
		for (end++; isdigit((unsigned char)*end); end++, scale /= 10)
			out->tv_nsec += (*end - '0') * scale;
	if (*s == '-' && out->tv_nsec) {
		out->tv_sec--;
		out->tv_nsec = 1000000000 - out->tv_nsec;
	}
	return *end ? -EINVAL : 0;
}

int parse_date(const char *s, struct timespec *out)
{
	static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

	if (!strcmp(s, "now"))
		return clock_gettime(CLOCK_REALTIME, out) ? -errno : 0;
	if (*s == '@')
		return parse_seconds(s + 1, out);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {0};
		const char *end = strptime(s, forms[i], &tm);

		if (end && (!*end || !strcmp(end, "Z"))) {
			*out = (struct timespec){.tv_sec = timegm(&tm)};
			return 0;
		}
	}
	return -EINVAL;
}

void print_date(const struct timespec *t, char out[64])
{
	struct tm tm;

	if (!gmtime_r(&t->tv_sec, &tm) || !strftime(out, 64, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(out, 64, "@%lld", (long long)t->tv_sec);
}

/* ---------------------------------------------------------------- modes */
void print_mode(mode_t mode, char out[11])
{
	static const char types[] = "?pc?d?b?-?l?s???", letters[] = "rwxrwxrwx";

	out[0] = types[mode >> 12 & 15];
	for (int i = 0; i < 9; i++)
		out[1 + i] = mode & (0400u >> i) ? letters[i] : '-';
	if (mode & S_ISUID)
		out[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = mode & 0010 ? 's' : 'S';
	if (mode & S_ISVTX)
		out[9] = mode & 0001 ? 't' : 'T';
	out[10] = 0;
}

/* The permissions that the letters behind an operator mean, for all of user, group and others. */
static int permissions(const char **s, mode_t mode, mode_t *out)
{
	mode_t bits = 0;

	for (;; (*s)++) {
		switch (**s) {
		case 'r': bits |= 0444; break;
		case 'w': bits |= 0222; break;
		case 'x': bits |= 0111; break;
		case 'X': bits |= S_ISDIR(mode) || (mode & 0111) ? 0111 : 0; break;
		case 's': bits |= S_ISUID | S_ISGID; break;
		case 't': bits |= S_ISVTX; break;
		case 'u': bits |= (mode >> 6 & 7) * 0111u; break;
		case 'g': bits |= (mode >> 3 & 7) * 0111u; break;
		case 'o': bits |= (mode & 7) * 0111u; break;
		case 0: case ',': case '+': case '-': case '=':
			*out = bits;
			return 0;
		default:
			return -EINVAL;
		}
	}
}

static mode_t who_mask(const char **s)
{
	mode_t mask = 0;

	for (;; (*s)++) {
		if (**s == 'u')
			mask |= 04700;
		else if (**s == 'g')
			mask |= 02070;
		else if (**s == 'o')
			mask |= 01007;
		else if (**s == 'a')
			mask |= 07777;
		else
			return mask ? mask : 07777;
	}
}

int parse_mode(const char *s, mode_t mode, mode_t *out)
{
	mode_t result = mode;

	if (isdigit((unsigned char)*s)) {
		char *end;
		unsigned long v = strtoul(s, &end, 8);

		if (*end || v > 07777)
			return -EINVAL;
		*out = (mode & S_IFMT) | (mode_t)v;
		return 0;
	}
	for (;;) {
		mode_t mask = who_mask(&s);

		if (!*s || !strchr("+-=", *s))
			return -EINVAL;
		while (*s && *s != ',') {
			char op = *s++;
			mode_t bits;

			/* X asks for the mode as it was before this change */
			if (permissions(&s, op == '=' ? mode : result, &bits))
				return -EINVAL;
			bits &= mask;
			result = op == '+' ? result | bits : op == '-' ? result & ~bits : (result & ~(mask & (S_ISDIR(mode) ? 01777u : 07777u))) | bits;
		}
		if (!*s)
			break;
		s++;
	}
	*out = result;
	return 0;
}

/* ---------------------------------------------------------------- lines */
/* One word from *in, unquoted to *out; false: an open quote. */
static bool take_word(char **in, char **out)
{
	char quote = 0;

	for (; **in && (quote || !isspace((unsigned char)**in)); (*in)++) {
		char c = **in;

		if (quote ? c == quote : c == '\'' || c == '"') {
			quote = quote ? 0 : c;
			continue;
		}
		if (c == '\\' && quote != '\'' && (*in)[1])
			c = *++*in;
		*(*out)++ = c;
	}
	return !quote;
}

int split_words(char *line, char **words, int max)
{
	char *in = line, *out = line;
	int n = 0;

	for (;;) {
		bool end;

		while (isspace((unsigned char)*in))
			in++;
		if (!*in || *in == '#')
			break;
		if (n == max)
			return -EINVAL;
		words[n++] = out;
		if (!take_word(&in, &out))
			return -EINVAL;
		end = !*in;
		in += !end;
		*out++ = 0;
		if (end)
			break;
	}
	return n;
}

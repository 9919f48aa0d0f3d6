/* SPDX-License-Identifier: MIT */
/*
 * Formatted text and number parsing. The conversions are those of ISO C 7.21.6.1 without floating point and %n.
 * An unknown conversion is copied as it stands, so that a wrong format shows itself in the output.
 */
#include <maestro/lib.h>

struct out {
	char *buf;
	size_t size, len; /* len: what the whole text would have */
};

struct spec {
	bool left, plus, space, zero, alt;
	int width, prec; /* prec -1: none given */
	u8 bytes;	 /* of the integer argument */
};

static void put(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_field(struct out *o, const struct spec *s, const char *text, size_t n)
{
	int pad = s->width - (int)n;

	if (!s->left)
		put_pad(o, ' ', pad);
	for (size_t i = 0; i < n; i++)
		put(o, text[i]);
	if (s->left)
		put_pad(o, ' ', pad);
}

/* Digits of v, last first, into tmp; returns how many. 22 octal digits are the most. */
static int digits(char *tmp, u64 v, unsigned base, bool upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	if (base == 10) {
		while (v > U32_MAX) {
			u32 d;

			v = div_u64_rem(v, 10, &d);
			tmp[n++] = (char)('0' + d);
		}
		for (u32 w = (u32)v; w; w /= 10)
			tmp[n++] = (char)('0' + w % 10);
		return n;
	}
	for (unsigned shift = base == 16 ? 4 : 3; v; v >>= shift)
		tmp[n++] = set[v & (base - 1)];
	return n;
}

static void put_number(struct out *o, struct spec *s, u64 v, unsigned base, char sign, bool upper)
{
	char tmp[24];
	int n = digits(tmp, v, base, upper), zeros, pad;
	int prefix = sign ? 1 : 0;

	if (s->alt && base == 16 && v)
		prefix += 2;
	zeros = (s->prec < 0 ? 1 : s->prec) - n;
	if (s->alt && base == 8 && zeros < 1)
		zeros = 1;
	if (zeros < 0)
		zeros = 0;
	pad = s->width - prefix - zeros - n;
	if (s->zero && !s->left && s->prec < 0 && pad > 0) {
		zeros += pad;
		pad = 0;
	}
	if (!s->left)
		put_pad(o, ' ', pad);
	if (sign)
		put(o, sign);
	if (s->alt && base == 16 && v) {
		put(o, '0');
		put(o, upper ? 'X' : 'x');
	}
	put_pad(o, '0', zeros);
	while (n > 0)
		put(o, tmp[--n]);
	if (s->left)
		put_pad(o, ' ', pad);
}

static const char *parse_flags(const char *f, struct spec *s)
{
	for (;; f++) {
		switch (*f) {
		case '-':
			s->left = true;
			break;
		case '+':
			s->plus = true;
			break;
		case ' ':
			s->space = true;
			break;
		case '0':
			s->zero = true;
			break;
		case '#':
			s->alt = true;
			break;
		default:
			return f;
		}
	}
}

static const char *parse_length(const char *f, struct spec *s)
{
	s->bytes = sizeof(int);
	switch (*f) {
	case 'h':
		s->bytes = f[1] == 'h' ? 1 : 2;
		return f[1] == 'h' ? f + 2 : f + 1;
	case 'l':
		s->bytes = f[1] == 'l' ? 8 : sizeof(long);
		return f[1] == 'l' ? f + 2 : f + 1;
	case 'j':
		s->bytes = 8;
		return f + 1;
	case 'z':
	case 't':
		s->bytes = sizeof(size_t);
		return f + 1;
	}
	return f;
}

static int parse_int(const char **f)
{
	int n = 0;

	for (; **f >= '0' && **f <= '9'; (*f)++)
		if (n < 100000)
			n = n * 10 + (**f - '0');
	return n;
}

static u64 narrow(u64 v, u8 bytes, bool is_signed)
{
	unsigned shift = 64 - 8 * bytes;

	return is_signed ? (u64)((s64)(v << shift) >> shift) : (v << shift) >> shift;
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = { buf, size, 0 };
	va_list ap;

	va_copy(ap, args);
	for (const char *f = fmt; *f; f++) {
		struct spec s = { .prec = -1 };
		const char *start = f;
		u64 v;
		char c, sign;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f = parse_flags(f + 1, &s);
		if (*f == '*') {
			s.width = va_arg(ap, int);
			if (s.width < 0) {
				s.left = true;
				s.width = -s.width;
			}
			f++;
		} else {
			s.width = parse_int(&f);
		}
		if (*f == '.') {
			f++;
			if (*f == '*') {
				s.prec = va_arg(ap, int);
				f++;
			} else {
				s.prec = parse_int(&f);
			}
		}
		f = parse_length(f, &s);
		switch (*f) {
		case 'd':
		case 'i':
			v = s.bytes == 8 ? (u64)va_arg(ap, s64) : (u64)(s64)va_arg(ap, int);
			v = narrow(v, s.bytes, true);
			sign = (s64)v < 0 ? '-' : s.plus ? '+' : s.space ? ' ' : 0;
			put_number(&o, &s, (s64)v < 0 ? -v : v, 10, sign, false);
			break;
		case 'u':
		case 'x':
		case 'X':
		case 'o':
			v = s.bytes == 8 ? va_arg(ap, u64) : va_arg(ap, unsigned);
			put_number(&o, &s, narrow(v, s.bytes, false), *f == 'u' ? 10 : *f == 'o' ? 8 : 16, 0, *f == 'X');
			break;
		case 'p':
			s.alt = true;
			put_number(&o, &s, (uintptr_t)va_arg(ap, void *), 16, 0, false);
			break;
		case 'c':
			c = (char)va_arg(ap, int);
			put_field(&o, &s, &c, 1);
			break;
		case 's': {
			const char *str = va_arg(ap, const char *);

			if (!str)
				str = "(null)";
			put_field(&o, &s, str, s.prec < 0 ? strlen(str) : strnlen(str, (size_t)s.prec));
			break;
		}
		case '%':
			put(&o, '%');
			break;
		default:
			for (; start < f; start++)
				put(&o, *start);
			if (!*f) {
				f--;
				break;
			}
			put(&o, *f);
		}
	}
	va_end(ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = 0;
	return (int)o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

int kscnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (!size)
		return 0;
	return (size_t)n < size ? n : (int)size - 1;
}

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A') + 10;
	return 99;
}

kerr_t kstrtou64(const char **sp, unsigned base, u64 *out)
{
	const char *s = *sp;
	bool over = false;
	u64 v = 0;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16) {
		s += 2;
		base = 16;
	} else if (base == 0) {
		base = s[0] == '0' ? 8 : 10;
	}
	if (digit_value(*s) >= base)
		return KERR(EINVAL);
	for (; digit_value(*s) < base; s++) {
		/* v * base in two halves shows an overflow without a wider type */
		u64 low = (v & U32_MAX) * base + digit_value(*s);
		u64 high = (v >> 32) * base + (low >> 32);

		over |= high >> 32;
		v = (high << 32) | (low & U32_MAX);
	}
	*sp = s;
	if (over)
		return KERR(ERANGE);
	*out = v;
	return KERR(0);
}

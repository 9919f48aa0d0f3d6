// SPDX-License-Identifier: MIT
/*
 * The limits of C's types as shell variables, for coreutils' tests: NAME_MAX, NAME_OFLOW (one more), and for signed types
 * NAME_MIN, NAME_UFLOW (one less).  Beyond 64 bits the sum is made on the decimal text.
 */
#include <float.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* One further from zero, digit by digit. */
static void print_beyond(const char *name, const char *text)
{
	char digits[40] = "0";
	int negative = text[0] == '-';
	size_t i;

	strcat(digits, text + negative);
	for (i = strlen(digits) - 1; digits[i] == '9'; i--)
		digits[i] = '0';
	digits[i]++;
	printf("%s_%s=%s%s\n", name, negative ? "UFLOW" : "OFLOW", negative ? "-" : "", digits + (digits[0] == '0'));
}

static void print_limits(const char *name, uintmax_t max, intmax_t min)
{
	char text[32];

	snprintf(text, sizeof(text), "%ju", max);
	printf("%s_MAX=%s\n", name, text);
	print_beyond(name, text);
	if (min == 0)
		return;
	snprintf(text, sizeof(text), "%jd", min);
	printf("%s_MIN=%s\n", name, text);
	print_beyond(name, text);
}

#define SIGNED_MAX(type) ((uintmax_t)(((((type)1 << (sizeof(type) * CHAR_BIT - 2)) - 1) << 1) + 1))
#define SIGNED(name, type) print_limits(name, SIGNED_MAX(type), -(intmax_t)SIGNED_MAX(type) - 1)
#define UNSIGNED(name, type) print_limits(name, (type)-1, 0)

int main(void)
{
	print_limits("CHAR", CHAR_MAX, CHAR_MIN);
	print_limits("SCHAR", SCHAR_MAX, SCHAR_MIN);
	UNSIGNED("UCHAR", unsigned char);
	print_limits("SHRT", SHRT_MAX, SHRT_MIN);
	SIGNED("INT", int);
	UNSIGNED("UINT", unsigned);
	SIGNED("LONG", long);
	UNSIGNED("ULONG", unsigned long);
	UNSIGNED("SIZE", size_t);
	SIGNED("SSIZE", ssize_t);
	SIGNED("TIME_T", time_t);
	UNSIGNED("UID_T", uid_t);
	UNSIGNED("GID_T", gid_t);
	SIGNED("PID_T", pid_t);
	SIGNED("OFF_T", off_t);
	SIGNED("INTMAX", intmax_t);
	UNSIGNED("UINTMAX", uintmax_t);
	printf("FLT_MIN=%.8g\nFLT_MAX=%.8g\n", (double)FLT_MIN, (double)FLT_MAX);
	printf("DBL_MIN=%.17g\nDBL_MAX=%.17g\n", DBL_MIN, DBL_MAX);
	printf("LDBL_MIN=%.20Lg\nLDBL_MAX=%.20Lg\n", LDBL_MIN, LDBL_MAX);
	return 0;
}

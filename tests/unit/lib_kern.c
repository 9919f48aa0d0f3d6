/* SPDX-License-Identifier: MIT */
/* core/lib: trees, sparse arrays, formatting, strings, bits, division, sorting. */
#include <maestro/rbtree.h>
#include <maestro/slab.h>
#include <maestro/xarray.h>

#include "ktest.h"

struct item {
	struct rb_node node;
	u32 key;
	bool in;
};
#define ITEMS 500

static void insert(struct rb_tree *t, struct item *it)
{
	struct rb_node **link = &t->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = it->key < rb_entry(parent, struct item, node)->key ? &parent->left : &parent->right;
	}
	rb_insert(t, &it->node, parent, link);
}

/* Black height, or -1 if a rule of red-black trees is broken. */
static int check_tree(const struct rb_node *n, const struct rb_node *parent)
{
	int left, right;

	if (!n)
		return 0;
	if (n->parent != parent || (n->red && parent && parent->red))
		return -1;
	left = check_tree(n->left, n);
	right = check_tree(n->right, n);
	if (left < 0 || left != right)
		return -1;
	return left + !n->red;
}

static const char *rbtree_random(void)
{
	struct item *items = kzalloc(sizeof(*items) * ITEMS, GFP_KERNEL);
	struct rb_tree t = {NULL};
	u32 state = 4711, in = 0;

	EXPECT(items);
	for (unsigned step = 0; step < 5000; step++) {
		struct item *it = &items[ktest_random(&state) % ITEMS];

		if (it->in) {
			rb_erase(&t, &it->node);
			in--;
		} else {
			it->key = ktest_random(&state) % 1000;
			insert(&t, it);
			in++;
		}
		it->in = !it->in;
		if (step % 50 == 0) {
			u32 n = 0, last = 0;

			EXPECT(check_tree(t.root, NULL) >= 0);
			for (struct rb_node *p = rb_first(&t); p; p = rb_next(p), n++) {
				EXPECT(rb_entry(p, struct item, node)->key >= last);
				last = rb_entry(p, struct item, node)->key;
			}
			EXPECT(n == in);
			n = 0;
			for (struct rb_node *p = rb_last(&t); p; p = rb_prev(p))
				n++;
			EXPECT(n == in);
		}
	}
	kfree(items);
	return NULL;
}

static const char *xarray_basic(void)
{
	static const unsigned long index[] = {0, 1, 63, 64, 65, 4095, 4096, 1UL << 20, 1UL << 40, ~0UL};
	struct xarray xa;
	unsigned long at;

	xa_init(&xa);
	EXPECT(xa_empty(&xa) && !xa_load(&xa, 5));
	for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
		EXPECT(!xa_insert(&xa, index[i], (void *)(16 * (uintptr_t)(i + 1))));
		EXPECT(kerr_code(xa_insert(&xa, index[i], (void *)16)) == -EEXIST);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(index); i++)
		EXPECT(xa_load(&xa, index[i]) == (void *)(16 * (uintptr_t)(i + 1)));
	EXPECT(!xa_load(&xa, 2) && !xa_load(&xa, 1UL << 21));
	for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
		void *const *slot = xa_slots(&xa, index[i]);
		unsigned n = XA_RUN - (unsigned)(index[i] % XA_RUN);

		EXPECT(slot);
		for (unsigned j = 0; j < n; j++)
			EXPECT(slot[j] == xa_load(&xa, index[i] + j));
	}
	EXPECT(!xa_slots(&xa, 128) && !xa_slots(&xa, 1UL << 21));
	at = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(index); i++, at++) {
		EXPECT(xa_find(&xa, &at, ~0UL) && at == index[i]);
	}
	at = 66;
	EXPECT(!xa_find(&xa, &at, 4000));
	xa_set_mark(&xa, 4096, XA_MARK_DIRTY);
	xa_set_mark(&xa, 63, XA_MARK_DIRTY);
	EXPECT(xa_get_mark(&xa, 63, XA_MARK_DIRTY) && !xa_get_mark(&xa, 64, XA_MARK_DIRTY) && !xa_marked(&xa, XA_MARK_WRITEBACK));
	at = 64;
	EXPECT(xa_find_marked(&xa, &at, ~0UL, XA_MARK_DIRTY) && at == 4096);
	xa_clear_mark(&xa, 4096, XA_MARK_DIRTY);
	EXPECT(xa_erase(&xa, 63) && !xa_marked(&xa, XA_MARK_DIRTY));
	for (unsigned i = 0; i < ARRAY_SIZE(index); i++)
		if (index[i] != 63)
			EXPECT(xa_erase(&xa, index[i]));
	EXPECT(xa_empty(&xa) && !xa_erase(&xa, 0));
	return NULL;
}

static const char *format(void)
{
	static const struct {
		const char *want, *fmt;
		long arg;
	} cases[] = {
		{"42", "%ld", 42}, {"-42", "%ld", -42}, {"   42", "%5ld", 42}, {"00042", "%05ld", 42}, {"42   ", "%-5ld", 42}, {"+42", "%+ld", 42},
		{"2a", "%lx", 42}, {"2A", "%lX", 42}, {"0x2a", "%#lx", 42}, {"052", "%#lo", 42}, {"9223372036854775807", "%ld", LONG_MAX},
		{"-9223372036854775808", "%ld", -LONG_MAX - 1}, {"ffffffffffffffff", "%lx", -1}, {"0042", "%.4ld", 42}, {" 0042", "%5.4ld", 42},
	};
	char buf[64];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		int n = ksnprintf(buf, sizeof(buf), cases[i].fmt, cases[i].arg);
#pragma GCC diagnostic pop

		if (strcmp(buf, cases[i].want) != 0 || n != (int)strlen(cases[i].want))
			return cases[i].fmt;
	}
	EXPECT(ksnprintf(buf, 4, "%s", "abcdef") == 6 && !strcmp(buf, "abc"));
	EXPECT(kscnprintf(buf, 4, "%s", "abcdef") == 3);
	EXPECT(ksnprintf(buf, sizeof(buf), "%.3s|%-4c|%%", "abcdef", 'x') == 10 && !strcmp(buf, "abc|x   |%"));
	EXPECT(ksnprintf(NULL, 0, "%d", 12345) == 5);
	EXPECT(ksnprintf(buf, sizeof(buf), "%*d", 6, 7) == 6 && !strcmp(buf, "     7"));
	return NULL;
}

static const char *strings(void)
{
	char a[64], b[64];
	const char *s = "0x1fz";
	u64 v;

	for (unsigned i = 0; i < sizeof(a); i++)
		a[i] = (char)i;
	memmove(a + 3, a, 40);
	for (unsigned i = 0; i < 40; i++)
		EXPECT(a[i + 3] == (char)i);
	memmove(a, a + 3, 40);
	for (unsigned i = 0; i < 40; i++)
		EXPECT(a[i] == (char)i);
	memset(a, 0x5a, sizeof(a));
	for (unsigned off = 0; off < 9; off++)
		for (unsigned n = 0; n < 40; n++) {
			memset(b, 0, sizeof(b));
			memcpy(b + off, a, n);
			EXPECT((!n || b[off + n - 1] == 0x5a) && !b[off + n] && (!off || !b[off - 1]));
		}
	EXPECT(!memcmp("abc", "abd", 2) && memcmp("abc", "abd", 3) < 0 && memcmp("\xff", "\1", 1) > 0);
	EXPECT(strcmp("a", "b") < 0 && !strncmp("abc", "abd", 2) && strcmp("\xff", "a") > 0);
	EXPECT(strchr("abc", 'c') && !strchr("abc", 'd') && *strchr("abc", 0) == 0 && !strcmp(strrchr("a/b/c", '/'), "/c"));
	EXPECT(!strcmp(strstr("hello world", "o w"), "o world") && !strstr("abc", "abcd") && !strcmp(strstr("x", ""), "x"));
	EXPECT(strlcpy(b, "hello", 3) == 5 && !strcmp(b, "he") && strnlen("abc", 2) == 2);
	EXPECT(!kstrtou64(&s, 0, &v) && v == 31 && *s == 'z');
	s = "99999999999999999999";
	EXPECT(kerr_code(kstrtou64(&s, 10, &v)) == -ERANGE);
	s = "x";
	EXPECT(kerr_code(kstrtou64(&s, 10, &v)) == -EINVAL);
	return NULL;
}

static const char *bits_and_division(void)
{
	unsigned long map[BITMAP_LONGS(200)] = {0};
	u32 rem, state = 99;

	bitmap_set(map, 0);
	bitmap_set(map, 64);
	bitmap_set(map, 199);
	EXPECT(bitmap_find_set(map, 200, 1) == 64 && bitmap_find_set(map, 200, 65) == 199 && bitmap_find_zero(map, 200, 64) == 65);
	bitmap_clear(map, 199);
	EXPECT(bitmap_find_set(map, 200, 65) == 200);
	for (unsigned i = 0; i < 1000; i++) {
		u64 n = (u64)ktest_random(&state) << 32 | ktest_random(&state), d = ktest_random(&state) | 1;

		EXPECT(div_u64_rem(n, (u32)d, &rem) == n / d && rem == n % d && div64_u64(n, d << 7) == n / (d << 7) && mod64_u64(n, d << 9) == n % (d << 9));
		EXPECT(div64_s64(-(s64)(n >> 1), (s64)d) == -(s64)(n >> 1) / (s64)d);
	}
	return NULL;
}

static int compare_u32(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static const char *sorting(void)
{
	u32 *v = kmalloc(sizeof(u32) * 2000, GFP_KERNEL), state = 5;

	EXPECT(v);
	for (unsigned n = 0; n < 2000; n = n * 2 + 1) {
		for (unsigned i = 0; i < n; i++)
			v[i] = ktest_random(&state) % 300;
		sort(v, n, sizeof(u32), compare_u32);
		for (unsigned i = 1; i < n; i++)
			EXPECT(v[i - 1] <= v[i]);
	}
	kfree(v);
	return NULL;
}

KTEST_SUITE(lib, "lib", {"rbtree", rbtree_random}, {"xarray", xarray_basic}, {"format", format}, {"strings", strings},
	    {"bits and division", bits_and_division}, {"sort", sorting});

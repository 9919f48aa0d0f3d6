// SPDX-License-Identifier: MIT
/* What a virtual console makes of control sequences (console_codes(4)), seen through /dev/vcsa: character codes, attributes and the cursor. */
#include "../abi.h"

enum { COLS = 80, ROWS = 25, CELLS = COLS * ROWS };

static int tty, vcsa;
static unsigned char screen[4 + 2 * CELLS];

static void put(const char *s, size_t n)
{
	if (write(tty, s, n) != (ssize_t)n)
		abi_line("write", "fails: %s", abi_errno(errno));
}

static void look(void)
{
	if (pread(vcsa, screen, sizeof(screen), 0) != (ssize_t)sizeof(screen))
		abi_line("read", "fails: %s", abi_errno(errno));
}

/* A row as text: runs of equal attributes as {attribute}text, blanks of the usual kind at the end left out. */
static void show_row(const char *name, int row)
{
	const unsigned char *p = screen + 4 + row * COLS * 2;
	char text[COLS * 10];
	int last = COLS, at = 0, attr = -1;

	while (last > 0 && p[2 * last - 2] == ' ' && p[2 * last - 1] == 7)
		last--;
	if (!last)
		return;
	for (int i = 0; i < last; i++) {
		unsigned char c = p[2 * i];

		if (p[2 * i + 1] != attr) {
			attr = p[2 * i + 1];
			at += sprintf(text + at, "{%02x}", attr);
		}
		at += c >= ' ' && c < 0x7f && c != '\\' ? sprintf(text + at, "%c", c) : sprintf(text + at, "\\%02x", c);
	}
	abi_line(name, "%2d %s", row, text);
}

static void show(const char *name)
{
	look();
	abi_line(name, "cursor %d %d", screen[2], screen[3]);
	for (int row = 0; row < ROWS; row++)
		show_row(name, row);
}

static unsigned screen_hash(void)
{
	unsigned h = 2166136261u;

	look();
	for (unsigned i = 0; i < sizeof(screen); i++)
		h = (h ^ screen[i]) * 16777619u;
	return h;
}

static void try(const char *name, const char *s)
{
	put("\033c", 2);
	put(s, strlen(s));
	show(name);
}

static void test_attributes(void)
{
	char s[96];

	for (int i = 0; i <= 109; i++) {
		snprintf(s, sizeof(s), "a\033[%dmb\033[Kc\033[7md\033[me", i);
		try("sgr", s);
	}
	try("sgr pairs", "\033[1;31ma\033[22mb\033[2mc\033[1md\033[4me\033[24mf\033[3mg\033[4mh\033[23mi\033[5mj\033[7mk\033[25ml\033[27mm\033[39;49mn");
	try("sgr erase", "\033[1;4;5;7;33;44mabc\033[K\r\n\033[2mx\033[2Jy\033[0;7mz\033[K");
	try("sgr bright", "\033[91ma\033[1mb\033[22mc\033[97;100md\033[31me\033[107mf\033[2;97mg\033[4;92mh");
	try("sgr bold keeps", "\033[1m\033[38;5;1ma\033[38;5;9mb\033[38;5;1mc\033[22md");
	for (int i = 0; i < 256; i += 64) {
		char all[8192];
		int n = 0;

		for (int j = i; j < i + 64; j++)
			n += sprintf(all + n, "\033[38;5;%dmf\033[0;48;5;%dmb\033[m%s", j, j, j % 32 == 31 ? "\r\n" : "");
		try("colours", all);
	}
	try("true colours", "\033[38;2;255;0;0ma\033[38;2;80;80;80mb\033[38;2;0;100;200mc\033[38;2;0;0;0md\033[m\033[48;2;255;255;0me\033[48;2;100;100;100mf\033[48;2;0;0;130mg");
	try("bad colours", "\033[38;5ma\033[38;2;1mb\033[38;9;4mc\033[38;5;4;1md\033[48;7;31me\033[38;2;1;2;3;4mf\033[38:5:1mg");
	try("default colours", "\033[34;42;1m\033[8]a\033[mb\033[31mc\033[39md\033[49me\033[Jf");
	try("underline colour", "\033[1;5]\033[4ma\033[m\033[2;6]\033[2mb\033[m\033[1;20]\033[4mc");
	put("\033c\033[37;40m\033[0m\033[1;3]\033[2;8]\033[8]", 33);
}

static void test_moves(void)
{
	static const char finals[] = "ABCDEFGHIXZ@LMPSTade`fb^J";
	char s[64];

	for (const char *f = finals; *f; f++)
		for (int n = -1; n <= 3; n += 2) {
			if (n < 0)
				snprintf(s, sizeof(s), "one\r\ntwo two\r\nthree\033[2;4H\033[%cx", *f);
			else
				snprintf(s, sizeof(s), "one\r\ntwo two\r\nthree\033[2;4H\033[%d%cx", n, *f);
			try("final", s);
		}
	try("far", "\033[999;999Ha\033[1;1Hb\033[24;80Hcd\033[99999999Ce\033[4294967296;4294967297Hf");
	try("wrap", "\033[1;79Habc\033[?7l\033[3;79Habc\033[?7h\033[5;80Ha\bb\033[6;80Ha\033[Cb\033[7;80Ha\rb");
	try("pending", "\033[1;80Ha\033[Kb\033[3;80Ha\033[1Kb\033[5;80Ha\tb\033[7;80Ha\nb\033[9;80Ha\0337\033[H\0338b");
	try("wrap at end", "\033[25;80Hab");
	try("tabs", "\ta\033[5g\033[8Cx\033[2Gb\033H\033[10Gc\033H\r\ta\td\te\033[0g\r\tf\033[3g\r\tg");
	try("tabs back", "a\tb\033[8g\r\tx");
	try("region", "\033[3;6rtop\033[3;1H1\r\n2\r\n3\r\n4\r\n5\033[2;1Hx\n\n\n\n\n\n\ny\033[6;1H\033Mz\033[3;1H\033M\033Mw\033[1;1H\033M\033Mv");
	try("bad region", "\033[6;3ra\033[5;5rb\033[0;99rc\033[9;9H\033[2;4rd");
	try("origin", "\033[3;6r\033[?6ha\033[9;1Hb\033[2;2Hc\033[1Ad\033[9Ae\033[?6lf\033[9;1Hg");
	try("lines", "1\r\n2\r\n3\r\n4\r\n5\033[2;4r\033[3;1H\033[La\033[5;1H\033[Lb\033[2;3H\033[2Mc");
	try("scroll", "1\r\n2\r\n3\r\n4\033[S\033[2;3ra\033[2Sb\033[Tc");
	try("insert", "abcdef\033[4D\033[4hXY\033[4lZ\033[1;78H\033[4hQRS");
	try("newline", "\033[20ha\nb\033[20lc\nd");
	try("saved", "\033[31;3;3H\0337a\033[32m\033)0\016\033[9;9Hb\0338c\033[s\033[40;5;5Hd\033[ue");
	try("aligned", "\033[31mx\033#8y");
	try("reversed", "a\033[7mb\033[m\033[?5hc\033[31;44md\033[?5le");
	try("cursor", "\033[?25l\033[?25h\033[?2c\033[?17;0;64cx");
	try("erase", "\033[9;9Habc\033[1J\033[10;10Hdef\033[2D\033[0Jg\033[2Jh\033[3Ji\033[4Jj\033[3Kk");
	try("erase chars", "abcdef\033[3D\033[2Xg\033[200Xh");
	try("index", "\033[25;1Ha\033Db\033Ec\033[1;1Hd\033Me");
}

static void test_text(void)
{
	try("graphics", "\033(0_`abcdefghijklmnopqrstuvwxyz{|}~\033(Bq\016q\033)Bq\017\033)0\016q\017\033(Uq\xe9\033(B");
	try("box", "┌─┬┐│├┼┤└┴┘ ═║╔╗╚╝╠╣╦╩╬ ░▒▓█▄▌▐▀ ╒╓╕╖╘╙╛╜╞╟╡╢╤╥╧╨╪╫");
	try("box other", "▁▂▃▅▆▇▏▎ ○◆■□▪▲▼◀▶ ←↑→↓↔↕ ✗ •");
	try("latin", "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß àáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ");
	try("latin signs", "¡¢£¤¥¦§¨©ª«¬­®¯°±²³´µ¶·¸¹º»¼½¾¿ \302\240x");
	try("latin more", "ĀāĂ㥹ĆćĈĉČčĎďĐđĒēŁłŃńŒœŠšŽž ſ ƒ");
	try("greek", "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ αβγδεζηθικλμνξοπρςστυφχψω");
	try("cyrillic", "АБВГДЕЖЗ абвгдежз");
	try("wide", "漢字x\033[1;80H漢y한글 Ａ");
	try("emoji", "\xf0\x9f\x98\x80x");
	try("combining", "e\xcc\x81x a\xe2\x80\x8b" "b\xef\xbb\xbf" "c");
	try("bad utf8", "a\x80" "b\xc3" "c\xe2\x94" "d\xc0\xaf" "e\xed\xa0\x80" "f\xf4\x90\x80\x80" "g\xff\xfe" "h\xe2\x94\xe2\x94\x80" "i");
	try("bad in a row", "\xe2\xe2\xe2\x94\x80 \xf8\x88\x80\x80\x80 \xfc \xf0\x80\x80\x80");
	try("utf8 off", "\033%@\xe9\x9b" "3Cx\x84y\x85z\033%Gé\033%8x");
	try("c1 in utf8", "a\xc2\x9b" "5Cb\xc2\x85" "c");
	try("controls shown", "\033[3h\001\002\x1b[1mb\177\r\nc\033[3ld");
	try("font codes", "\033[11m\001\002\x80\xff\x9bx\033[12my\xc3\xa9\033[10mz");
	try("controls", "a\001\002\005\006\020\030\031\032\034\177b\013c\014d");
	try("strings", "a\033]0;title\007b\033]2;t\033\\c\033Pq#0\033\\d\033_x\033\\e\033^y\033\\f\033Xz\033\\g");
	try("palette", "a\033]P1ff0000b\033]Rc\033]Pzd\033]P9e");
	try("broken off", "\033[31\030ma\033[3\0321mb\033[3\0332mc\033[1\n;31md\033(\030e");
	try("long", "\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;31ma\033[;;;;;;;;;;;;;;;;;;;;31mb");
	try("unknown", "\033[>c\033[?1xa\033[=1hb\033[!pc\033[1 qd\033[<1me\033[>0qf\033[?2026hg\033[?1049hh\033[?1049li\033[1:2mj\033[[Ak\033[[Bl\033[4$m\033~n\033 Fo\033%xp");
	try("nul", "a\033[\033[1mb\033\033[2mc");
	put("a\0b", 3);
	show("with nul");
}

static void answer(const char *name, const char *ask)
{
	struct pollfd p = { tty, POLLIN, 0 };
	char got[64];
	ssize_t n = 0;

	put(ask, strlen(ask));
	while (n < 60 && poll(&p, 1, 50) == 1) {
		ssize_t m = read(tty, got + n, sizeof(got) - 1 - (size_t)n);
		if (m <= 0)
			break;
		n += m;
	}
	got[n] = 0;
	for (ssize_t i = 0; i < n; i++)
		if (got[i] == 033)
			got[i] = '^';
	STR(name, got);
}

static void test_answers(void)
{
	struct termios t;

	tcgetattr(tty, &t);
	cfmakeraw(&t);
	tcsetattr(tty, TCSANOW, &t);
	answer("status", "\033c\033[5n");
	answer("position", "\033[7;9H\033[6n");
	answer("position pending", "\033[1;80Hx\033[6n");
	answer("position origin", "\033[3;9r\033[?6h\033[2;2H\033[6n\033[?6l\033[r");
	answer("attributes", "\033[c");
	answer("attributes 0", "\033[0c");
	answer("attributes 1", "\033[1c");
	answer("secondary", "\033[>c");
	answer("identify", "\033Z");
	answer("private status", "\033[?6n\033[?15n");
	answer("unknown report", "\033[7n");
	answer("mouse", "\033[?1000h\033[?9h\033[?9l");
	answer("two", "\033[5n\033[6n");
}

/* Random sequences: the screen after each hundred must be the same. */
static unsigned seed = 1;

static unsigned draw(unsigned n)
{
	seed = seed * 1103515245u + 12345;
	return (seed >> 16) % n;
}

static void random_sequences(void)
{
	static const char *const texts[] = { "word ", "x", "\r\n", "\n", "\b", "\t", "a long line of text that may well wrap", "é┌─┐", "\033M", "\033D", "\033E",
					      "\0337", "\0338", "\033(0lqk\033(B", "\016x\017", "\r" };
	static const char finals[] = "ABCDEFGHJKLMPX@adefrsu`gmmmmmmmmhl";
	char s[64];

	put("\033c", 2);
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 100; i++) {
			if (draw(3) == 0) {
				const char *t = texts[draw(sizeof(texts) / sizeof(texts[0]))];
				put(t, strlen(t));
				continue;
			}
			char final = finals[draw(sizeof(finals) - 1)];
			if (final == 'm')
				snprintf(s, sizeof(s), "\033[%u;%um", draw(2) ? draw(8) : 30 + draw(18), draw(50));
			else if (final == 'h' || final == 'l')
				snprintf(s, sizeof(s), "\033[%s%c", draw(2) ? "?7" : draw(2) ? "4" : draw(2) ? "?6" : "20", final);
			else if (final == 'J')
				snprintf(s, sizeof(s), "\033[%uJ", draw(2));
			else if (final == 'g')
				snprintf(s, sizeof(s), "\033H");
			else
				snprintf(s, sizeof(s), "\033[%u;%u%c", draw(30), draw(90), final);
			put(s, strlen(s));
		}
		abi_line("random", "%d %08x %d %d", round, screen_hash(), screen[2], screen[3]);
	}
}

int main(void)
{
	tty = open("/dev/tty5", O_RDWR | O_NOCTTY);
	vcsa = open("/dev/vcsa5", O_RDONLY);
	if (tty < 0 || vcsa < 0) {
		abi_line("open", "%d %d %s", tty >= 0, vcsa >= 0, abi_errno(errno));
		return 0;
	}
	look();
	abi_line("size", "%d lines, %d columns", screen[0], screen[1]);
	test_attributes();
	test_moves();
	test_text();
	test_answers();
	random_sequences();
	put("\033c", 2);
	return 0;
}

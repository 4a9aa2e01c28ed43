#include "cli/term.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/text.h"

static struct termios before;
static volatile sig_atomic_t is_raw;

static void put(const char *s) { (void)!write(STDOUT_FILENO, s, strlen(s)); }

/* Safe in a signal handler. */
void term_end(void)
{
	if (!is_raw) return;
	is_raw = 0;
	put("\033[0m\033[?2004l\033[?25h\033[?1049l");
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void die(int number)
{
	term_end();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* A crash of ours must not leave a terminal in which nothing can be typed. */
static void catch_crashes(void)
{
	static const int crashes[] = {
		SIGABRT,
		SIGQUIT,
		SIGFPE,
		SIGILL,
#ifndef __SANITIZE_ADDRESS__ /* it reports these itself */
		SIGSEGV,
		SIGBUS,
#endif
	};
	for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) (void)signal(crashes[i], die);
}

bool term_begin(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) return false;
	(void)atexit(term_end);
	catch_crashes();
	return term_resume();
}

bool term_resume(void)
{
	struct termios raw = before;
	raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) return false;
	is_raw = 1;
	put("\033[?1049h\033[?2004h\033[2J");
	return true;
}

void term_suspend(void)
{
	term_end();
	(void)kill(0, SIGTSTP); /* the whole job, as the terminal would */
	(void)term_resume();
}

void term_size(int *rows, int *columns)
{
	struct winsize w = { 0 };
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col;
	*rows = known ? w.ws_row : 24;
	*columns = known ? w.ws_col : 80;
}

/* ---- keys ---- */

bool keys_read(struct keys *k)
{
	if (k->n == sizeof k->bytes) k->n = 0; /* an escape sequence without an end */
	ssize_t n = read(STDIN_FILENO, k->bytes + k->n, sizeof k->bytes - k->n);
	if (n > 0) k->n += (size_t)n;
	return n != 0;
}

static void drop(struct keys *k, size_t n)
{
	memmove(k->bytes, k->bytes + n, k->n - n);
	k->n -= n;
}

static const struct {
	const char *bytes;
	enum key key;
} sequences[] = { { "A", KEY_UP }, { "B", KEY_DOWN }, { "C", KEY_RIGHT }, { "D", KEY_LEFT }, { "H", KEY_HOME }, { "F", KEY_END },
	{ "1~", KEY_HOME }, { "7~", KEY_HOME }, { "4~", KEY_END }, { "8~", KEY_END }, { "3~", KEY_DELETE }, { "5~", KEY_PAGE_UP },
	{ "6~", KEY_PAGE_DOWN } };

/* ESC [ ... or ESC O ...: parameters, then a byte from @ to ~. */
static enum key take_sequence(struct keys *k)
{
	size_t end = 2;
	if (k->n >= 2 && k->bytes[1] != '[' && k->bytes[1] != 'O') {
		drop(k, 2);
		return KEY_OTHER;
	}
	while (end < k->n && (k->bytes[end] < '@' || k->bytes[end] > '~')) end++;
	if (end >= k->n) return KEY_NONE;
	enum key key = KEY_OTHER;
	size_t n = end - 1;
	for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++)
		if (strlen(sequences[i].bytes) == n && memcmp(sequences[i].bytes, k->bytes + 2, n) == 0) key = sequences[i].key;
	if (n == 4 && memcmp(k->bytes + 2, "200~", 4) == 0) k->is_pasting = true;
	if (n == 4 && memcmp(k->bytes + 2, "201~", 4) == 0) k->is_pasting = false;
	drop(k, end + 1);
	return key;
}

static enum key control(unsigned char byte)
{
	switch (byte) {
	case '\r':
	case '\n': return KEY_ENTER;
	case 0x7f:
	case 8: return KEY_BACKSPACE;
	case 1: return KEY_HOME;
	case 2: return KEY_LEFT;
	case 3: return KEY_CANCEL;
	case 4: return KEY_EOF;
	case 5: return KEY_END;
	case 6: return KEY_RIGHT;
	case 11: return KEY_KILL_END;
	case 12: return KEY_REDRAW;
	case 21: return KEY_KILL_LINE;
	case 23: return KEY_KILL_WORD;
	case 26: return KEY_SUSPEND;
	default: return KEY_OTHER;
	}
}

static bool may_go_on(const struct keys *k)
{
	unsigned char c = (unsigned char)k->bytes[0];
	size_t wanted = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
	return k->n < wanted;
}

enum key keys_take(struct keys *k, char utf8[5])
{
	unsigned rune = 0;
	if (k->n == 0) return KEY_NONE;
	unsigned char first = (unsigned char)k->bytes[0];
	if (first == 27) return take_sequence(k);
	if (k->is_pasting && (first == '\r' || first == '\n' || first == '\t')) k->bytes[0] = ' ';
	if ((first < ' ' || first == 0x7f) && k->bytes[0] != ' ') {
		drop(k, 1);
		return control(first);
	}
	size_t n = utf8_take(k->bytes, k->n, &rune);
	if (n == 0 && may_go_on(k)) return KEY_NONE;
	memcpy(utf8, k->bytes, n);
	utf8[n] = 0;
	drop(k, n ? n : 1);
	return n && !(rune >= 0x80 && rune < 0xa0) ? KEY_RUNE : KEY_OTHER;
}

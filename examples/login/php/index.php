<?php
// An app with users and a login of its own, which gives them chat. PHP 8.1 or later with curl and SQLite.
//
//   php -S 127.0.0.1:8080 index.php           serves the app (in production php-fpm does, with every path rewritten to this file)
//   php index.php add-users <people.tsv       lines of id, name and password; without a password one cannot sign in
//   php index.php sync-users                  tells Beck about all users
declare(strict_types=1);

const SESSION_SECONDS = 12 * 3600;
const BCRYPT = ['cost' => 12];

function env(string $name, ?string $otherwise = null): string
{
    return getenv($name) ?: $otherwise ?? throw new RuntimeException("set $name");
}

define('BECK_URL', env('BECK_URL', 'http://127.0.0.1:8800')); // from this server to Beck
define('BECK_PUBLIC_URL', env('BECK_PUBLIC_URL', BECK_URL)); // from browsers to Beck
define('API_KEY', env('BECK_API_KEY'));
define('API_SECRET', trim(file_get_contents(env('BECK_API_SECRET_FILE'))));
define('DATA', env('APP_DATA', 'app-data'));
if (!is_dir(DATA)) mkdir(DATA, 0700, true);

function iso(int $at): string
{
    return gmdate('Y-m-d\TH:i:s\Z', $at);
}

// ---- users: yours are in your database already ----

function database(): PDO
{
    static $db = null;
    if ($db) return $db;
    $db = new PDO('sqlite:' . DATA . '/app.db', null, null, [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC]);
    $db->exec('PRAGMA busy_timeout = 5000;
        CREATE TABLE IF NOT EXISTS users(id TEXT PRIMARY KEY, name TEXT NOT NULL, password TEXT, tokens_from INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE IF NOT EXISTS tries(user_id TEXT PRIMARY KEY, minute INTEGER NOT NULL, n INTEGER NOT NULL)');
    return $db;
}

function query(string $sql, array $values = []): PDOStatement
{
    $statement = database()->prepare($sql);
    $statement->execute($values);
    return $statement;
}

function findUser(string $id): ?array
{
    return query('SELECT * FROM users WHERE id = ?', [$id])->fetch() ?: null;
}

// ---- Beck ----

// quickstart: sign
/** A token is a JWT: HS256 with the API secret, which never leaves this server. */
function sign(array $claims): string
{
    $part = fn(string $data): string => rtrim(strtr(base64_encode($data), '+/', '-_'), '=');
    $text = $part('{"alg":"HS256","typ":"JWT"}') . '.' . $part(json_encode($claims));
    return $text . '.' . $part(hash_hmac('sha256', $text, API_SECRET, true));
}
// quickstart: end

// quickstart: call
function callBeck(string $method, string $path, array $body): void
{
    $token = sign(['server' => true, 'iat' => time(), 'exp' => time() + 60]);
    $curl = curl_init(BECK_URL . $path . '?api_key=' . API_KEY);
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_HTTPHEADER => ["Authorization: $token", 'Stream-Auth-Type: jwt', 'Content-Type: application/json'],
        CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 5,
    ]);
    $reply = curl_exec($curl);
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    if ($status < 200 || $status > 299) throw new RuntimeException("$method $path: " . ($reply === false ? curl_error($curl) : "$status $reply"));
}

/** True when Beck did it. The app goes on without Beck: chat is what is missing then, not the app. */
function tellBeck(string $method, string $path, array $body): bool
{
    try {
        callBeck($method, $path, $body);
        return true;
    } catch (RuntimeException $error) {
        error_log("Beck: {$error->getMessage()}");
        return false;
    }
}
// quickstart: end

// quickstart: users
/** At most 100 users at once: who they are, and which channels they are in. Saying it again changes nothing. */
function putUsers(array $users): void
{
    $ids = array_column($users, 'id');
    $profiles = array_map(fn(array $u): array => ['id' => $u['id'], 'name' => $u['name']], $users);
    callBeck('POST', '/users', ['users' => (object) array_combine($ids, $profiles)]);
    callBeck('POST', '/channels/messaging/lobby/query', ['data' => ['created_by_id' => $ids[0]]]);
    callBeck('POST', '/channels/messaging/lobby', ['add_members' => $ids]);
}

function syncUsers(): void
{
    $count = 0;
    $last = '';
    while ($some = query('SELECT * FROM users WHERE id > ? ORDER BY id LIMIT 100', [$last])->fetchAll()) {
        putUsers($some);
        // Sign-outs that Beck was not there to hear of; no token is older than an hour.
        $out = array_filter($some, fn(array $u): bool => $u['tokens_from'] > time() - TOKEN_SECONDS);
        if ($out) callBeck('PATCH', '/users', ['users' => array_values(array_map(revocation(...), $out))]);
        $count += count($some);
        $last = end($some)['id'];
    }
    echo "$count users\n";
}
// quickstart: end

// ---- the app's own sessions: PHP's ----

function startSession(): void
{
    session_start([
        'name' => 'session',
        'save_path' => DATA,
        'use_strict_mode' => true,
        'gc_maxlifetime' => SESSION_SECONDS,
        'gc_probability' => 1,
        'cookie_lifetime' => SESSION_SECONDS,
        'cookie_httponly' => true,
        'cookie_samesite' => 'Lax',
        'cookie_secure' => str_starts_with(BECK_PUBLIC_URL, 'https:'), // chat by TLS: then the app is, too
    ]);
}

/** The session stays locked until the answer, or until session_write_close(): requests of one session do not meet. */
function sessionUser(): ?array
{
    if (!isset($_COOKIE['session'])) return null;
    startSession();
    return isset($_SESSION['user_id']) && $_SESSION['ends'] > time() ? findUser($_SESSION['user_id']) : null;
}

/** At most ten wrong passwords a minute for one name. */
function mayTry(string $id): bool
{
    $minute = intdiv(time(), 60);
    query('DELETE FROM tries WHERE minute <> ?', [$minute]);
    return query('INSERT INTO tries VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n', [$id, $minute])->fetchColumn() <= 10;
}

function login(): void
{
    $id = field('user');
    if (!mayTry($id)) {
        page(429, 'login.html', ['error' => 'Too many attempts. Wait a minute.']);
        return;
    }
    $user = findUser($id);
    static $nobody = '$2y$12$TCMwUTR4IQ.rjhr.wFaVPuxHxFsAx/O7BIme5V4ub9hzSWZeVvBE6'; // nobody's: it takes as long for a name that does not exist
    if (!password_verify(field('password'), $user['password'] ?? $nobody) || !isset($user['password'])) {
        page(401, 'login.html', ['error' => 'Wrong name or password.']);
        return;
    }
    query('DELETE FROM tries WHERE user_id = ?', [$id]);
    startSession();
    session_regenerate_id(true); // always a new one, so that nobody can plant his
    $_SESSION = ['user_id' => $id, 'ends' => time() + SESSION_SECONDS];
    redirect();
}

// quickstart: logout
function revocation(array $user): array
{
    return ['id' => $user['id'], 'set' => ['revoke_tokens_issued_before' => iso($user['tokens_from'])]];
}

function logout(): void
{
    $user = sessionUser();
    if ($user) {
        // Revocation ends tokens with iat < tokens_from, and iat counts whole seconds: tokens of this very second end only if tokens_from is
        // past it. Later tokens, of other sign-ins, are issued as of tokens_from at the earliest: at most a second ahead, which Beck allows.
        $user = query('UPDATE users SET tokens_from = max(CAST(? AS INTEGER), tokens_from) + 1 WHERE id = ? RETURNING *', [time(), $user['id']])->fetch();
        $_SESSION = []; // emptied, not destroyed: requests that wait for its lock would still read what a destroyed one held
        session_write_close();
        tellBeck('PATCH', '/users', ['users' => [revocation($user)]]);
    }
    setcookie('session', '', ['expires' => 1, 'path' => '/']);
    redirect();
}
// quickstart: end

// ---- chat ----

// quickstart: token
const TOKEN_SECONDS = 3600;

function chatToken(): void
{
    $user = sessionUser();
    $iat = max(time(), $user['tokens_from'] ?? 0); // while the session is locked, so that a logout comes later
    $exp = $iat + TOKEN_SECONDS;
    session_write_close();
    if (!$user) {
        json(401, ['error' => 'Sign in first.']);
        return;
    }
    try {
        putUsers([$user]); // new users and what Beck missed while it was away
    } catch (RuntimeException $error) {
        error_log("Beck: {$error->getMessage()}");
        json(503, ['error' => 'Chat is not available at the moment.']);
        return;
    }
    json(200, ['token' => sign(['user_id' => $user['id'], 'iat' => $iat, 'exp' => $exp]), 'expires_at' => iso($exp)]);
}
// quickstart: end

// quickstart: profile
function profile(): void
{
    $user = sessionUser();
    $name = trim(field('name'));
    if (!$user) {
        json(401, ['error' => 'Sign in first.']);
        return;
    }
    if (!preg_match('/^.{1,100}$/u', $name)) {
        json(400, ['error' => 'A name has 1 to 100 characters.']);
        return;
    }
    query('UPDATE users SET name = ? WHERE id = ?', [$name, $user['id']]);
    $synced = tellBeck('PATCH', '/users', ['users' => [['id' => $user['id'], 'set' => ['name' => $name]]]]);
    json(200, ['name' => $name, 'synced' => $synced]);
}
// quickstart: end

// ---- pages ----

function sendHeaders(int $status, string $type): void
{
    $url = parse_url(BECK_PUBLIC_URL);
    $beck = "{$url['scheme']}://{$url['host']}" . (isset($url['port']) ? ":{$url['port']}" : '');
    $socket = preg_replace('/^http/', 'ws', $beck);
    http_response_code($status);
    header("Content-Security-Policy: default-src 'none'; script-src 'self' $beck; style-src 'self' $beck; img-src 'self' data: $beck; " .
        "connect-src 'self' $beck $socket; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    header('X-Content-Type-Options: nosniff');
    header('Referrer-Policy: same-origin');
    header('Cache-Control: no-store');
    header("Content-Type: $type");
}

function json(int $status, array $value): void
{
    sendHeaders($status, 'application/json');
    echo json_encode($value);
}

function redirect(): void
{
    sendHeaders(303, 'text/plain');
    header('Location: /');
}

function page(int $status, string $file, array $values): void
{
    sendHeaders($status, 'text/html; charset=utf-8');
    echo preg_replace_callback('/{{(\w+)}}/', fn(array $m): string => htmlspecialchars($values[$m[1]]), file_get_contents(__DIR__ . "/../page/$file"));
}

function sendFile(string $name, string $type): void
{
    sendHeaders(200, $type);
    readfile(__DIR__ . "/../page/$name");
}

function home(): void
{
    $user = sessionUser();
    if (!$user) page(200, 'login.html', ['error' => '']);
    else page(200, 'chat.html', ['beck_url' => BECK_PUBLIC_URL, 'api_key' => API_KEY, 'user_id' => $user['id'], 'name' => $user['name']]);
}

function field(string $name): string
{
    return is_string($_POST[$name] ?? null) ? $_POST[$name] : '';
}

/** Browsers say where a POST comes from, and pages of others cannot change that: this is the protection from forged requests. */
function isFromOurPage(): bool
{
    return preg_replace('#^https?://#', '', $_SERVER['HTTP_ORIGIN'] ?? '') === $_SERVER['HTTP_HOST'];
}

function serve(string $method, string $path): void
{
    if ($method === 'POST' && !isFromOurPage()) {
        json(403, ['error' => 'This request comes from another page.']);
        return;
    }
    match ("$method $path") {
        'GET /' => home(),
        'GET /app.js' => sendFile('app.js', 'text/javascript'),
        'GET /app.css' => sendFile('app.css', 'text/css'),
        'POST /login' => login(),
        'POST /logout' => logout(),
        'POST /chat/token' => chatToken(),
        'POST /profile' => profile(),
        default => json(404, ['error' => 'There is no such page.']),
    };
}

function addUsers(): void
{
    database()->beginTransaction();
    while (($line = fgets(STDIN)) !== false) {
        [$id, $name, $password] = [...explode("\t", rtrim($line, "\n")), ''];
        query('INSERT INTO users(id, name, password) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, password = excluded.password',
            [$id, $name, $password ? password_hash($password, PASSWORD_BCRYPT, BCRYPT) : null]);
    }
    database()->commit();
}

ini_set('display_errors', PHP_SAPI === 'cli' ? 'stderr' : '0'); // what went wrong is for the log
if (PHP_SAPI !== 'cli') {
    serve($_SERVER['REQUEST_METHOD'], parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?: '/');
} else {
    match ($argv[1] ?? '') {
        'add-users' => addUsers(),
        'sync-users' => syncUsers(),
        default => exit("php index.php add-users | sync-users\n"),
    };
}

#include <beck/beck.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
	beck_client *chat = beck_get_instance(
		getenv("API_KEY"), &(beck_options){ .base_url = getenv("URL"), .timeout_ms = 6000, .enable_ws_fallback = true });
	beck_error err = { 0 };
	if (beck_connect_user(chat, "{\"id\":\"john\",\"name\":\"John Doe\"}", getenv("TOKEN"), &err) != BECK_OK) {
		fprintf(stderr, "%d %s\n", err.code, err.message);
		return 1;
	}
	printf("%s\n", beck_connection_id(chat));
	beck_disconnect_user(chat);
	beck_release(chat);
	return 0;
}

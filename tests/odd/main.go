// Go's client and server on odd messages: `client BASE COUNT` prints a line a row, `server ADDRESS` answers 200.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	if os.Args[1] == "server" {
		handler := http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
			if _, err := io.ReadAll(request.Body); err != nil {
				answer.WriteHeader(400)
			}
		})
		panic(http.ListenAndServe(os.Args[2], handler))
	}
	count, _ := strconv.Atoi(os.Args[3])
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	for row := 0; row < count; row++ {
		answer, err := client.Get(os.Args[2] + "/" + strconv.Itoa(row))
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		if err == nil {
			fmt.Println("takes")
		} else {
			fmt.Println("refuses")
		}
	}
}

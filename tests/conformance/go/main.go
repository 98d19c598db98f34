// Writes and reads with franz-go. clients/records.py describes the data and the digests.
//
//	roundtrip produce BOOTSTRAP FILE CODEC=TOPIC...
//	roundtrip consume BOOTSTRAP TOPIC...
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	partitions    = 3
	patience      = 30 * time.Second
	flushPatience = 120 * time.Second
	fileBuffer    = 1 << 20
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

// digest is of one partition.
type digest struct {
	count          int64
	content, times hash.Hash
}

func size(data []byte) int {
	if data == nil {
		return -1
	}
	return len(data)
}

func (d *digest) add(record *kgo.Record) {
	fmt.Fprintf(d.content, "%d %d %d ", record.Offset, size(record.Key), size(record.Value))
	for i, header := range record.Headers {
		if i > 0 {
			io.WriteString(d.content, ",")
		}
		io.WriteString(d.content, header.Key+"=")
		if header.Value == nil {
			io.WriteString(d.content, "NULL")
		}
		d.content.Write(header.Value)
	}
	io.WriteString(d.content, "\n")
	d.content.Write(record.Key)
	d.content.Write(record.Value)
	fmt.Fprintf(d.times, "%d\n", record.Timestamp.UnixMilli())
	d.count++
}

func blob(reader io.Reader) ([]byte, error) {
	var length int32
	if err := binary.Read(reader, binary.BigEndian, &length); err != nil || length < 0 {
		return nil, err
	}
	data := make([]byte, length)
	_, err := io.ReadFull(reader, data)
	return data, err
}

// next reads a record of a data set; io.EOF at its end.
func next(reader io.Reader, topic string) (*kgo.Record, error) {
	var fixed struct {
		Partition int32
		Timestamp int64
	}
	var count int32
	if err := binary.Read(reader, binary.BigEndian, &fixed); err != nil {
		return nil, err
	}
	record := &kgo.Record{Topic: topic, Partition: fixed.Partition, Timestamp: time.UnixMilli(fixed.Timestamp)}
	var err error
	if record.Key, err = blob(reader); err != nil {
		return nil, err
	}
	if record.Value, err = blob(reader); err != nil {
		return nil, err
	}
	if err = binary.Read(reader, binary.BigEndian, &count); err != nil {
		return nil, err
	}
	for i := int32(0); i < count; i++ {
		name, err := blob(reader)
		if err != nil {
			return nil, err
		}
		value, err := blob(reader)
		if err != nil {
			return nil, err
		}
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: string(name), Value: value})
	}
	return record, nil
}

func produce(bootstrap, path, codec, topic string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerLinger(20*time.Millisecond),
		// No RecordDeliveryTimeout: it counts from the record's timestamp, and ours are old.
		kgo.RecordRetries(20),
		kgo.MaxBufferedBytes(64<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	var once sync.Once
	var failure error
	reader := bufio.NewReaderSize(file, fileBuffer)
	for {
		record, err := next(reader, topic)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failure = err })
			}
		})
	}
	limit, cancel := context.WithTimeout(context.Background(), flushPatience)
	defer cancel()
	if err := client.Flush(limit); err != nil {
		return err
	}
	return failure
}

// ends asks for the end of each partition, by the raw request.
func ends(client *kgo.Client, topic string) (map[int32]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	for i := int32(0); i < partitions; i++ {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition = i
		partition.Timestamp = -1
		asked.Partitions = append(asked.Partitions, partition)
	}
	request.Topics = append(request.Topics, asked)
	found := map[int32]int64{}
	for _, shard := range client.RequestSharded(context.Background(), request) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, answer := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, partition := range answer.Partitions {
				if partition.ErrorCode != 0 {
					return nil, fmt.Errorf("%s %d: error %d", topic, partition.Partition, partition.ErrorCode)
				}
				found[partition.Partition] = partition.Offset
			}
		}
	}
	return found, nil
}

func consume(bootstrap, topic string) error {
	start := map[int32]kgo.Offset{}
	digests := map[int32]*digest{}
	for i := int32(0); i < partitions; i++ {
		start[i] = kgo.NewOffset().AtStart()
		digests[i] = &digest{content: sha256.New(), times: sha256.New()}
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.FetchMaxBytes(16<<20),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}))
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := ends(client, topic)
	if err != nil {
		return err
	}
	var left int64
	for _, end := range found {
		left += end
	}
	for left > 0 {
		limit, cancel := context.WithTimeout(context.Background(), patience)
		fetches := client.PollFetches(limit)
		cancel()
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("%s: %d records are missing: %w", topic, left, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			digests[record.Partition].add(record)
			left--
		})
	}
	for i := int32(0); i < partitions; i++ {
		d := digests[i]
		fmt.Println(topic, i, d.count, hex.EncodeToString(d.content.Sum(nil)), hex.EncodeToString(d.times.Sum(nil)))
	}
	return nil
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			fmt.Println("franz-go", module.Version)
		}
	}
}

func main() {
	var err error
	switch os.Args[1] {
	case "version":
		version()
	case "produce":
		for _, word := range os.Args[4:] {
			codec, topic, _ := strings.Cut(word, "=")
			if err == nil {
				err = produce(os.Args[2], os.Args[3], codec, topic)
			}
		}
	default:
		for _, topic := range os.Args[3:] {
			if err == nil {
				err = consume(os.Args[2], topic)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
